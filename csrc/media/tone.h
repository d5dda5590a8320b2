#pragma once
/* Tones by name or by description: "us", "uk-busy", "beep", "350+440",
 * "440+480/2000,0/4000", "dtmf:1234#".
 *
 *	tone    = cadence | country [ "-" kind ] | "beep" | "dtmf:" 1*digit
 *	country = au cn de es fr in it jp uk us ...; without a kind: ringback
 *	kind    = ringback | dial | busy | congestion | waiting | sit
 *	cadence = part *( "," part ) [ "*" times ]
 *	part    = frequency *3( "+" frequency ) [ "/" milliseconds ]
 *
 * Frequencies are in Hz, 0 is silence; a part without a length lasts for ever; a
 * cadence starts again unless it says how many times.  Tables after ITU-T E.180,
 * supplement 2.  Samples are exact for any rate; nothing depends on who asks for how
 * many at a time.
 */
#include "base/err.h"
#include "base/str.h"

enum {
	MEDIA_TONE_PARTS = 32,
	MEDIA_TONE_WAVES = 4,
	MEDIA_TONE_FOREVER = 0, /* a length in samples */
};

struct media_tone_part {
	uint16_t frequency[MEDIA_TONE_WAVES]; /* Hz, 0: none */
	uint32_t len;                         /* samples */
};

struct media_tone {
	uint32_t rate;
	uint32_t times; /* cadences left, 0: for ever */
	uint8_t count, part;
	struct media_tone_part parts[MEDIA_TONE_PARTS];
	double level; /* peak of one wave */
	/* where it is */
	uint64_t at; /* samples into this part */
	double re[MEDIA_TONE_WAVES], im[MEDIA_TONE_WAVES];
	double turn_re[MEDIA_TONE_WAVES], turn_im[MEDIA_TONE_WAVES];
};

/* Read a description, with or without "tone:" before it.  SIP_ESYNTAX, SIP_ELIMIT:
 * `why` is readable then. */
sip_err media_tone_parse(struct media_tone *tone, sip_str text, uint32_t rate,
                         const char **why);

/* The two frequencies of a digit, 0-9 * # A-D, for so many samples each time. */
sip_err media_tone_dtmf(struct media_tone *tone, sip_str digits, uint32_t rate,
                        uint32_t on, uint32_t off, const char **why);

/* Write `count` samples; gives fewer when the tone ended. */
size_t media_tone_fill(struct media_tone *tone, int16_t *out, size_t count);
