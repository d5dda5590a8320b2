#pragma once
/* G.711: PCMU and PCMA (RFC 3551 4.5.14), one octet per sample of 8 kHz.
 *
 * Bit for bit as the ITU's own software (G.191): the magnitude of a negative sample
 * is its one's complement, so both signs share their decision values.
 */
#include <stddef.h>
#include <stdint.h>

enum media_law { MEDIA_ULAW, MEDIA_ALAW };

/* What silence is in each law: for padding, and for a stream without audio. */
enum { MEDIA_ULAW_SILENCE = 0xff, MEDIA_ALAW_SILENCE = 0xd5 };

void media_g711_decode(enum media_law law, const uint8_t *in, int16_t *out,
                       size_t count);
void media_g711_encode(enum media_law law, const int16_t *in, uint8_t *out,
                       size_t count);
