#!/bin/sh
# fuzz.sh SECONDS NAME... - run fuzz targets, each from its corpus; what is new goes
# to build/fuzz/corpus, a crash to build/fuzz/crashes. Ends with a table.
set -eu

seconds=$1
shift
top=build/fuzz
failed=0
row='%-12s %12s %8s %9s'
mkdir -p $top/crashes
: >$top/table

for name; do
	mkdir -p "$top/corpus/$name"
	seeds=spec/fuzz/corpus/$name
	[ -d "$seeds" ] || seeds=
	log=$top/$name.log
	status=0
	echo "fuzz: $name, $seconds s"
	# shellcheck disable=SC2086 # no corpus is no argument
	"$top/$name" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 \
		-print_final_stats=1 -artifact_prefix="$top/crashes/$name-" \
		"$top/corpus/$name" $seeds >"$log" 2>&1 || status=$?
	runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
	took=$(sed -n 's/^Done [0-9]* runs in \([0-9]*\) second.*/\1/p' "$log")
	cov=$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$log" | tail -n 1)
	verdict=clean
	if [ $status -ne 0 ]; then
		verdict="CRASH ($log)"
		failed=$((failed + 1))
		grep -E 'ERROR|SUMMARY|runtime error|Test unit written' "$log" ||
			tail "$log"
	fi
	printf "$row  %s\n" "$name" "${runs:--}" "${took:--}" "${cov:--}" "$verdict" \
		>>$top/table
done

printf "$row\n" target executions seconds coverage
cat $top/table
[ $failed -eq 0 ]
