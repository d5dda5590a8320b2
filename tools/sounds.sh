#!/bin/sh
# sounds.sh - speak the prompts of the examples anew: examples/sounds/*.wav, 16 bits at
# 8 kHz, with espeak-ng and sox.
set -eu
cd "$(dirname "$0")/../examples/sounds"

# speak NAME WORDS...: without the silence around them.
speak()
{
	name=$1
	shift
	espeak-ng -v en-us -s 165 -w "$name.raw.wav" "$*"
	sox "$name.raw.wav" -r 8000 -b 16 -c 1 -D "$name.wav" highpass 150 norm -4 \
		silence 1 0.01 0.5% reverse silence 1 0.01 0.5% reverse pad 0.02 0.1
	rm "$name.raw.wav"
}

speak hello "Hello. This is a Lua script."
speak extension "Enter the number of an extension."
speak menu "To leave a message, press one. To be connected, press two."
speak message "Speak after the tone, then press the pound key."
speak thanks "Thank you."
speak connecting "One moment please."
speak busy "The line is busy."
speak unavailable "Nobody answers."
speak goodbye "Good bye."
speak press "Press digits."
speak pressed "You pressed"

n=0
for word in zero one two three four five six seven eight nine; do
	speak $n $word
	n=$((n + 1))
done
speak star star
speak pound pound
