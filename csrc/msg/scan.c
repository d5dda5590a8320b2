#include "msg/scan.h"

#define ANY_URI                                                                        \
	(SIP_C_USER | SIP_C_PASSWORD | SIP_C_PARAM | SIP_C_HEADER | SIP_C_URIC |       \
	 SIP_C_VALUE | SIP_C_DISPLAY | SIP_C_WORD)
#define DIGIT                                                                          \
	(SIP_C_DIGIT | SIP_C_HEX | SIP_C_TOKEN | SIP_C_HOST | SIP_C_SCHEME | ANY_URI)
#define LETTER (SIP_C_ALPHA | SIP_C_TOKEN | SIP_C_HOST | SIP_C_SCHEME | ANY_URI)
#define MARK (SIP_C_TOKEN | ANY_URI) /* "unreserved" that is in a token too */
#define REST (SIP_C_VALUE | SIP_C_DISPLAY | SIP_C_WORD)

#define L(c) [c] = LETTER, [(c) - 'a' + 'A'] = LETTER
#define H(c) [c] = LETTER | SIP_C_HEX, [(c) - 'a' + 'A'] = LETTER | SIP_C_HEX
#define D(c) [c] = DIGIT

/* clang-format off */
const uint16_t sip_class[256] = {
	D('0'), D('1'), D('2'), D('3'), D('4'), D('5'), D('6'), D('7'), D('8'), D('9'),
	H('a'), H('b'), H('c'), H('d'), H('e'), H('f'), L('g'), L('h'), L('i'), L('j'),
	L('k'), L('l'), L('m'), L('n'), L('o'), L('p'), L('q'), L('r'), L('s'), L('t'),
	L('u'), L('v'), L('w'), L('x'), L('y'), L('z'),

	['-'] = MARK | SIP_C_HOST | SIP_C_SCHEME,
	['.'] = MARK | SIP_C_HOST | SIP_C_SCHEME,
	['_'] = MARK | SIP_C_HOST,
	['!'] = MARK, ['~'] = MARK, ['*'] = MARK, ['\''] = MARK,
	['('] = ANY_URI, [')'] = ANY_URI,
	['%'] = SIP_C_TOKEN | SIP_C_URIC | REST,
	['`'] = SIP_C_TOKEN | REST,
	['+'] = MARK | SIP_C_SCHEME,
	['&'] = SIP_C_USER | SIP_C_PASSWORD | SIP_C_PARAM | SIP_C_URIC | SIP_C_VALUE |
	        SIP_C_DISPLAY,
	['='] = SIP_C_USER | SIP_C_PASSWORD | SIP_C_URIC | SIP_C_VALUE | SIP_C_DISPLAY,
	['$'] = ANY_URI,
	[','] = SIP_C_USER | SIP_C_PASSWORD | SIP_C_URIC,
	[';'] = SIP_C_USER | SIP_C_URIC,
	['?'] = SIP_C_USER | SIP_C_HEADER | SIP_C_URIC | SIP_C_DISPLAY | SIP_C_WORD,
	['/'] = SIP_C_USER | SIP_C_PARAM | SIP_C_HEADER | SIP_C_URIC | REST,
	['#'] = SIP_C_USER | SIP_C_VALUE | SIP_C_DISPLAY,
	[':'] = SIP_C_PARAM | SIP_C_HEADER | SIP_C_URIC | REST,
	['@'] = SIP_C_URIC | SIP_C_DISPLAY | SIP_C_WORD,
	['['] = SIP_C_PARAM | SIP_C_HEADER | SIP_C_URIC | REST,
	[']'] = SIP_C_PARAM | SIP_C_HEADER | SIP_C_URIC | REST,
	['{'] = REST, ['}'] = REST, ['|'] = SIP_C_VALUE | SIP_C_DISPLAY,
	['^'] = SIP_C_VALUE | SIP_C_DISPLAY,
	['<'] = SIP_C_WORD, ['>'] = SIP_C_WORD, ['\\'] = SIP_C_WORD, ['"'] = SIP_C_WORD,

	[' '] = SIP_C_BLANK | SIP_C_DISPLAY, ['\t'] = SIP_C_BLANK | SIP_C_DISPLAY,
	['\r'] = SIP_C_BLANK, ['\n'] = SIP_C_BLANK,
};
/* clang-format on */

const char *sip_scan_escaped(const char *p, const char *end, unsigned class_bits)
{
	for (;;) {
		p = sip_scan(p, end, class_bits);
		if (end - p < 3 || *p != '%' || !sip_is(p[1], SIP_C_HEX) ||
		    !sip_is(p[2], SIP_C_HEX))
			return p;
		p += 3;
	}
}

const char *sip_scan_quoted(const char *p, const char *end)
{
	for (p++; p < end; p++) {
		if (*p == '"')
			return p + 1;
		if (*p == '\\')
			p++;
	}
	return NULL;
}
