/* l_pcm.h - what specs and the test kit ask about audio. */
#pragma once

#include <lua.h>

/* Adds pcm_correlate and wav_samples to the module table on top. */
void l_pcm_open(lua_State *L);
