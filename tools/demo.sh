#!/bin/sh
# demo.sh - a call to watch: starts examples/ivr.lua on a free port of the loopback
# interface, calls it with luasip's own phone, which leaves a message, and shows what
# passed.  All of it stays in build/demo.
set -eu
cd "$(dirname "$0")/.."
mkdir -p build/demo
cd build/demo
rm -f ./*.wav
: >ivr.log # it is looked into at once

luasip()
{
	${LUA:-lua5.4} ../../bin/luasip "$@"
}

# Not the function: $! must be the program that is to be stopped.
${LUA:-lua5.4} ../../bin/luasip run ../../examples/ivr.lua udp:127.0.0.1:0 \
	>ivr.log 2>&1 &
ivr=$!
stop()
{
	kill -TERM $ivr 2>/dev/null || :
	wait $ivr || :
}
trap stop EXIT
trap 'exit 130' INT TERM HUP PIPE

tries=0
until grep -q '^luasip: listening at' ivr.log; do
	tries=$((tries + 1))
	if [ $tries -gt 100 ] || ! kill -0 $ivr 2>/dev/null; then
		echo "the menu does not start:"
		cat ivr.log
		exit 1
	fi
	sleep 0.05
done
at=$(sed -n 's/^luasip: listening at udp://p' ivr.log)

echo "examples/ivr.lua listens at $at; a phone calls, presses 1 and leaves a message:"
echo
if ! luasip call "sip:menu@$at" --from sip:alice@127.0.0.1 --listen udp:127.0.0.1:0 \
	--record heard.wav --press ,1,,,, --play ../../examples/sounds/hello.wav \
	--press '#'; then
	echo
	echo "the menu said:"
	cat ivr.log
	exit 1
fi

echo
echo "the menu understood: $(sed -n 's/.*: pressed //p' ivr.log)"
echo "the message it took: build/demo/$(sed -n 's/.*recorded in //p' ivr.log)"
echo "what the phone heard: build/demo/heard.wav"
