#!/bin/sh
# deps.sh SET... - install what a make target needs, through the system's package
# manager.  Silent and quick when everything is there.
set -eu

# set_packages SYSTEM SET: the packages of a set, one word each.
set_packages()
{
	case $1:$2 in
	debian:build) echo gcc make pkg-config lua5.4 liblua5.4-dev libuv1-dev \
		libssl-dev libc-ares-dev ;;
	debian:rock) set_packages debian build; echo luarocks ;;
	debian:test | debian:asan) set_packages debian build; echo lua-busted ;;
	debian:lint) set_packages debian test; echo lua-check luarocks clang-format \
		clang-tidy ;;
	debian:demo) set_packages debian build ;;
	debian:wire) set_packages debian test; echo openssl ;;
	debian:interop) set_packages debian test; echo sip-tester baresip-core \
		kamailio kamailio-tls-modules libnet-sip-perl sox openssl \
		dnsmasq-base ;;
	debian:valgrind) set_packages debian test; echo valgrind ;;
	debian:fuzz) set_packages debian build; echo clang llvm libclang-rt-dev ;;
	debian:bench) set_packages debian test; echo valgrind libosip2-dev kamailio \
		kamailio-lua-modules kamailio-tls-modules \
		kamailio-websocket-modules libsofia-sip-ua-dev sip-tester openssl ;;
	alpine:build) echo build-base pkgconf lua5.4 lua5.4-dev libuv-dev openssl-dev \
		c-ares-dev ;;
	alpine:rock) set_packages alpine build; echo luarocks5.4 ;;
	alpine:test | alpine:wire) set_packages alpine build; echo lua5.4-busted ;;
	alpine:lint) set_packages alpine test; echo clang-extra-tools luarocks5.4 ;;
	alpine:demo) set_packages alpine build ;;
	alpine:interop) set_packages alpine test; echo sipp ;;
	alpine:valgrind | alpine:bench) set_packages alpine test; echo valgrind ;;
	alpine:fuzz) set_packages alpine build; echo clang compiler-rt ;;
	macos:build | macos:demo) echo lua libuv openssl@3 c-ares pkg-config ;;
	macos:rock | macos:test | macos:wire) set_packages macos build; echo luarocks ;;
	macos:lint) set_packages macos test; echo clang-format llvm ;;
	macos:interop) set_packages macos test; echo sipp sox ;;
	macos:fuzz) set_packages macos build; echo llvm ;;
	*:build | *:demo | *:rock | *:test) : ;;
	*) set_packages "$1" test ;;
	esac
}

system()
{
	if [ "$(uname -s)" = Darwin ]; then
		echo macos
		return
	fi
	(
		ID='' ID_LIKE=''
		[ ! -r /etc/os-release ] || . /etc/os-release
		case " $ID $ID_LIKE " in
		*\ debian\ * | *\ ubuntu\ *) echo debian ;;
		*\ alpine\ *) echo alpine ;;
		*) echo other ;;
		esac
	)
}

# missing SYSTEM PACKAGE...: those that are not installed.
missing()
{
	sys=$1
	shift
	case $sys in
	debian)
		format='${db:Status-Status} ${Package}\n'
		have=" $(dpkg-query -W -f="$format" "$@" 2>/dev/null |
			sed -n 's/^installed //p' | tr '\n' ' ')" || true
		;;
	alpine) have=" $(apk info -e "$@" 2>/dev/null | tr '\n' ' ')" || true ;;
	macos) have=" $(brew list --formula -1 2>/dev/null | tr '\n' ' ')" || true ;;
	esac
	for package; do
		case $have in
		*" $package "*) ;;
		*) printf '%s ' "$package" ;;
		esac
	done
}

as_root()
{
	if [ "$(id -u)" = 0 ]; then
		"$@"
	elif sudo -n true 2>/dev/null; then
		sudo -n "$@"
	else
		echo "neither root nor sudo"
		return 1
	fi
}

install()
{
	sys=$1
	shift
	case $sys in
	debian)
		export DEBIAN_FRONTEND=noninteractive
		as_root apt-get update -qq &&
			as_root apt-get install -y -qq --no-install-recommends "$@"
		;;
	alpine) as_root apk add -q "$@" ;;
	macos) brew install -q "$@" ;;
	esac
}

sys=$(system)
wanted=$(for name in "${@:-test}"; do set_packages "$sys" "$name"; done | tr ' ' '\n' |
	sort -u | tr '\n' ' ')
[ "$sys" != other ] || exit 0

# shellcheck disable=SC2086 # words are wanted
lacking=$(missing "$sys" $wanted)
[ -n "$lacking" ] || exit 0

echo "luasip: installing $lacking"
# shellcheck disable=SC2086 # words are wanted
if ! said=$(install "$sys" $lacking 2>&1); then
	why=$(printf '%s' "$said" | tail -n 1)
	echo "luasip: could not ($why); please install: $lacking" >&2
	exit 1
fi
