#include "media/tone.h"

#include <math.h>

#define KINDS(X) X(ringback) X(dial) X(busy) X(congestion) X(waiting) X(sit)

#define FIELD(name) const char *name;
struct country {
	const char *name;
	KINDS(FIELD)
};
#undef FIELD

#define SIT "950/330,1400/330,1800/330,0/1000"

/* Ringing in Japan is 400 Hz modulated by 16 Hz: two neighbours that beat. */
/* clang-format off */
static const struct country countries[] = {
	{ "au", "413+438/400,0/200,413+438/400,0/2000", "413+438", "425/375,0/375",
	        "425/375,0/375,420/375,0/375", "425/200,0/200,425/200,0/4400",
	        "425/2500,0/500" },
	{ "be", "425/1000,0/3000", "425", "425/500,0/500", "425/167,0/167",
	        "1400/175,0/175,1400/175,0/3500", "900/330,1400/330,1800/330,0/1000" },
	{ "br", "425/1000,0/4000", "425", "425/250,0/250", "425/250,0/250,425/750,0/250",
	        "425/50,0/1000", SIT },
	{ "ch", "425/1000,0/4000", "425", "425/500,0/500", "425/200,0/200",
	        "425/200,0/200,425/200,0/4000", SIT },
	{ "cn", "450/1000,0/4000", "450", "450/350,0/350", "450/700,0/700",
	        "450/400,0/4000", "950/400,0/10000" },
	{ "de", "425/1000,0/4000", "425", "425/480,0/480", "425/240,0/240",
	        "425/200,0/200,425/200,0/5000", SIT },
	{ "es", "425/1500,0/3000", "425", "425/200,0/200",
	        "425/200,0/200,425/200,0/200,425/200,0/600",
	        "425/175,0/175,425/175,0/3500", SIT },
	{ "fr", "440/1500,0/3500", "440", "440/500,0/500", "440/250,0/250",
	        "440/300,0/10000", SIT },
	{ "in", "375+425/400,0/200,375+425/400,0/2000", "375+425", "400/750,0/750",
	        "400/250,0/250", "400/200,0/100,400/200,0/7500", SIT },
	{ "it", "425/1000,0/4000", "425/200,0/200,425/600,0/1000", "425/500,0/500",
	        "425/200,0/200", "425/400,0/100,425/250,0/100,425/150,0/14000", SIT },
	{ "jp", "384+416/1000,0/2000", "400", "400/500,0/500", "400/500,0/500",
	        "384+416/500,0/8000", SIT },
	{ "nl", "425/1000,0/4000", "425", "425/500,0/500", "425/250,0/250",
	        "425/500,0/9500", SIT },
	{ "se", "425/1000,0/5000", "425", "425/250,0/250", "425/250,0/750",
	        "425/200,0/500,425/200,0/9100", SIT },
	{ "uk", "400+450/400,0/200,400+450/400,0/2000", "350+440", "400/375,0/375",
	        "400/400,0/350,400/225,0/525", "400/100,0/4000", SIT },
	{ "us", "440+480/2000,0/4000", "350+440", "480+620/500,0/500",
	        "480+620/250,0/250", "440/300,0/10000",
	        "914/274,1371/274,1777/380,0/1000" },
};
/* clang-format on */

enum { FREQUENCY_MAX = 3999, LEN_MAX_MS = 3600000, TIMES_MAX = 100000, RAMP_HZ = 500 };

/* 0 dBm0 is a sine 3.17 dB below full scale in mu-law; one wave is 13 dB below it. */
static const double WAVE_PEAK = 4992.0;

static bool parse_number(sip_str *text, uint64_t max, uint64_t *value)
{
	size_t len = 0;
	sip_str number;

	while (len < text->len && text->p[len] >= '0' && text->p[len] <= '9')
		len++;
	number = sip_str_of(text->p, len);
	*text = sip_str_of(text->p + len, text->len - len);
	return sip_str_to_u64(number, max, value);
}

static bool take(sip_str *text, char c)
{
	if (text->len == 0 || text->p[0] != c)
		return false;
	*text = sip_str_of(text->p + 1, text->len - 1);
	return true;
}

static bool take_prefix(sip_str *text, sip_str prefix)
{
	if (text->len < prefix.len || memcmp(text->p, prefix.p, prefix.len) != 0)
		return false;
	*text = sip_str_of(text->p + prefix.len, text->len - prefix.len);
	return true;
}

/* Gives NULL or what is wrong. */
static const char *parse_part(sip_str *text, uint32_t rate,
                              struct media_tone_part *part)
{
	uint64_t value;
	size_t waves = 0;

	*part = (struct media_tone_part){ .len = MEDIA_TONE_FOREVER };
	do {
		if (waves == MEDIA_TONE_WAVES)
			return "more than four frequencies at once";
		if (!parse_number(text, FREQUENCY_MAX, &value))
			return "a frequency is a number from 0 to 3999";
		part->frequency[waves++] = (uint16_t)value;
	} while (take(text, '+'));
	if (!take(text, '/'))
		return NULL;
	if (!parse_number(text, LEN_MAX_MS, &value) || value == 0)
		return "a length is a number of milliseconds, at most an hour";
	part->len = (uint32_t)(value * rate / 1000);
	return part->len > 0 ? NULL : "a length shorter than a sample";
}

static const char *parse_cadence(struct media_tone *tone, sip_str text)
{
	uint64_t times = 0;

	do {
		const char *why;

		if (tone->count == MEDIA_TONE_PARTS)
			return "more than 32 parts";
		why = parse_part(&text, tone->rate, &tone->parts[tone->count]);
		if (why)
			return why;
		tone->count++;
	} while (take(&text, ','));
	if (take(&text, '*') && (!parse_number(&text, TIMES_MAX, &times) || times == 0))
		return "after '*' stands how many times";
	tone->times = (uint32_t)times;
	return text.len == 0 ? NULL : "no such tone";
}

static bool is_name(sip_str text, const char *name)
{
	return sip_str_ieq(text, sip_str_of(name, strlen(name)));
}

static const char *kind_cadence(const struct country *country, sip_str kind)
{
#define FIND(name)                                                                     \
	if (is_name(kind, #name))                                                      \
		return country->name;
	KINDS(FIND)
#undef FIND
	return NULL;
}

/* The cadence of "us" or "us-busy"; NULL when it is neither. */
static const char *find_named(sip_str text)
{
	const char *dash = text.len > 0 ? memchr(text.p, '-', text.len) : NULL;
	const size_t len = dash ? (size_t)(dash - text.p) : text.len;
	const sip_str name = sip_str_of(text.p, len);

	if (is_name(text, "beep"))
		return "1000/250*1";
	for (size_t i = 0; i < sizeof countries / sizeof countries[0]; i++) {
		if (!is_name(name, countries[i].name))
			continue;
		if (!dash)
			return countries[i].ringback;
		return kind_cadence(&countries[i],
		                    sip_str_of(dash + 1, text.len - len - 1));
	}
	return NULL;
}

/* A wave is a point that turns: one complex product a sample. */
static void start_part(struct media_tone *tone)
{
	const struct media_tone_part *part = &tone->parts[tone->part];

	tone->at = 0;
	for (size_t i = 0; i < MEDIA_TONE_WAVES; i++) {
		const double angle =
			2 * 3.14159265358979323846 * part->frequency[i] / tone->rate;

		tone->turn_re[i] = cos(angle);
		tone->turn_im[i] = sin(angle);
		tone->re[i] = 1;
		tone->im[i] = 0;
	}
}

static bool starts_with_digit(sip_str text)
{
	return text.len > 0 && text.p[0] >= '0' && text.p[0] <= '9';
}

sip_err media_tone_parse(struct media_tone *tone, sip_str text, uint32_t rate,
                         const char **why)
{
	const char *named;

	(void)take_prefix(&text, SIP_STR("tone:")); /* it may stand there */
	if (take_prefix(&text, SIP_STR("dtmf:")))
		return media_tone_dtmf(tone, text, rate, rate / 10, rate / 10, why);
	*tone = (struct media_tone){ .rate = rate, .level = WAVE_PEAK };
	named = find_named(text);
	if (named)
		text = sip_str_of(named, strlen(named));
	*why = starts_with_digit(text) ? parse_cadence(tone, text) : "no such tone";
	if (*why)
		return SIP_ESYNTAX;
	start_part(tone);
	return SIP_OK;
}

/* Rows and columns of the keypad (ITU-T Q.23). */
static bool keypad(char digit, uint16_t *low, uint16_t *high)
{
	static const char keys[] = "123A456B789C*0#D";
	static const uint16_t rows[] = { 697, 770, 852, 941 };
	static const uint16_t columns[] = { 1209, 1336, 1477, 1633 };
	const char upper = digit >= 'a' && digit <= 'd' ? (char)(digit - 32) : digit;
	const char *key = upper ? strchr(keys, upper) : NULL;

	if (!key)
		return false;
	*low = rows[(key - keys) / 4];
	*high = columns[(key - keys) % 4];
	return true;
}

sip_err media_tone_dtmf(struct media_tone *tone, sip_str digits, uint32_t rate,
                        uint32_t on, uint32_t off, const char **why)
{
	*tone = (struct media_tone){ .rate = rate, .level = WAVE_PEAK, .times = 1 };
	if (digits.len == 0 || digits.len > MEDIA_TONE_PARTS / 2) {
		*why = "one to sixteen digits at a time";
		return digits.len == 0 ? SIP_ESYNTAX : SIP_ELIMIT;
	}
	for (size_t i = 0; i < digits.len; i++) {
		struct media_tone_part *part = &tone->parts[tone->count];

		if (!keypad(digits.p[i], &part->frequency[0], &part->frequency[1])) {
			*why = "a digit is one of 0-9, *, # and A-D";
			return SIP_ESYNTAX;
		}
		part->len = on;
		part[1] = (struct media_tone_part){ .len = off };
		tone->count = (uint8_t)(tone->count + 2);
	}
	start_part(tone);
	return SIP_OK;
}

/* On to the next part; false at the end. */
static bool next_part(struct media_tone *tone)
{
	if (++tone->part == tone->count) {
		tone->part = 0;
		if (tone->times > 0 && --tone->times == 0) {
			tone->count = 0;
			return false;
		}
	}
	start_part(tone);
	return true;
}

/* Both ends of a part rise and fall for 2 ms: no click, no stray frequency. */
static double ramp(const struct media_tone *tone, uint32_t len)
{
	const uint32_t ramp_len = tone->rate / RAMP_HZ;
	uint64_t edge = tone->at + 1;

	if (len != MEDIA_TONE_FOREVER && len - tone->at < edge)
		edge = len - tone->at;
	return edge >= ramp_len ? 1 : (double)edge / ramp_len;
}

static double next_sample(struct media_tone *tone, const struct media_tone_part *part)
{
	double sum = 0;

	for (size_t i = 0; i < MEDIA_TONE_WAVES && part->frequency[i] > 0; i++) {
		const double re = tone->re[i], im = tone->im[i];
		/* First step of Newton's square root: the point stays on its circle. */
		const double keep = 1.5 - 0.5 * (re * re + im * im);

		sum += im;
		tone->re[i] = (re * tone->turn_re[i] - im * tone->turn_im[i]) * keep;
		tone->im[i] = (re * tone->turn_im[i] + im * tone->turn_re[i]) * keep;
	}
	return sum * tone->level * ramp(tone, part->len);
}

size_t media_tone_fill(struct media_tone *tone, int16_t *out, size_t count)
{
	size_t done = 0;

	while (done < count && tone->count > 0) {
		const struct media_tone_part *part = &tone->parts[tone->part];

		out[done++] = (int16_t)lrint(next_sample(tone, part));
		tone->at++;
		if (part->len != MEDIA_TONE_FOREVER && tone->at == part->len &&
		    !next_part(tone))
			break;
	}
	return done;
}
