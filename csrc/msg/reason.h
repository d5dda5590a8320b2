#pragma once
/* The standard reason phrases (RFC 3261 21 and its extensions). */
#include "base/str.h"

sip_str sip_reason_phrase(unsigned status); /* "Busy Here"; of x00 when unknown */
