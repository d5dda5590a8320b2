#include "base/str.h"

static unsigned char lower(char c)
{
	const unsigned char u = (unsigned char)c;

	return u >= 'A' && u <= 'Z' ? (unsigned char)(u | 0x20) : u;
}

int sip_str_icmp(sip_str a, sip_str b)
{
	const size_t len = a.len < b.len ? a.len : b.len;

	for (size_t i = 0; i < len; i++) {
		const int d = lower(a.p[i]) - lower(b.p[i]);
		if (d)
			return d;
	}
	return (a.len > b.len) - (a.len < b.len);
}

bool sip_str_ieq(sip_str a, sip_str b)
{
	return a.len == b.len && sip_str_icmp(a, b) == 0;
}

bool sip_str_to_u64(sip_str s, uint64_t max, uint64_t *value)
{
	uint64_t v = 0;

	if (s.len == 0)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		const unsigned digit = (unsigned)(unsigned char)s.p[i] - '0';
		if (digit > 9 || v > (UINT64_MAX - digit) / 10)
			return false;
		v = v * 10 + digit;
	}
	if (v > max)
		return false;
	*value = v;
	return true;
}

bool sip_str_to_u32_cut(sip_str s, uint32_t *value)
{
	uint64_t v = 0;

	for (size_t i = 0; i < s.len; i++) {
		const unsigned digit = (unsigned)(unsigned char)s.p[i] - '0';
		if (digit > 9)
			return false;
		v = v * 10 + digit;
		if (v > UINT32_MAX)
			v = UINT32_MAX;
	}
	*value = (uint32_t)v;
	return s.len > 0;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

sip_str sip_str_trim(sip_str s)
{
	while (s.len > 0 && is_blank(s.p[0])) {
		s.p++;
		s.len--;
	}
	while (s.len > 0 && is_blank(s.p[s.len - 1]))
		s.len--;
	return s;
}

bool sip_str_breaks_lines(sip_str s)
{
	return s.len > 0 && (memchr(s.p, '\r', s.len) || memchr(s.p, '\n', s.len) ||
	                     memchr(s.p, '\0', s.len));
}

bool sip_str_has_line(sip_str lines, sip_str line)
{
	const char *at = lines.p, *const end = lines.p + lines.len;

	while (at < end) {
		const char *stop = memchr(at, '\n', (size_t)(end - at));

		if (sip_str_ieq(sip_str_of(at, (size_t)(stop - at)), line))
			return true;
		at = stop + 1;
	}
	return false;
}

size_t sip_u64_write(char *out, uint64_t value)
{
	char digits[20];
	size_t n = 0;

	do {
		digits[n++] = (char)('0' + value % 10);
		value /= 10;
	} while (value > 0);
	for (size_t i = 0; i < n; i++)
		out[i] = digits[n - 1 - i];
	return n;
}
