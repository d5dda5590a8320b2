# Calls, plays a raw mu-law file, presses digits, keeps what it hears; hangs up after
# SECONDS, or when it hears a #.
# Usage: perl netsip_calls.pl HOST:PORT[;transport=tcp] URI IN.ulaw OUT.ulaw SECONDS
#        [DIGITS [ACCOUNT]]
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use Keep;
use Phone;

my ($local, $uri, $in, $out, $seconds, $digits, $account) = @ARGV;
$| = 1;
my $keep = Keep->new($out);
my $phone = Phone->new($local, $account);
my $ua = $phone->ua;
$phone->registers;
my ($over, $enough);
my $call = $ua->invite(
    $uri,
    init_media => $ua->rtp('media_send_recv', $in, 1, $keep->to),
    recv_bye => \$over,
    cb_dtmf => sub {
        print "heard $_[0] for $keep->{lasted}\n";
        $enough = 1 if $_[0] eq '#';
    },
    dtmf_methods => 'rfc2833',
) or die "no call: " . $ua->error . "\n";
die "failed: " . $call->error . "\n" if $call->error;
print "answered\n";
# Without cb_final it would wait for the last one, even when it was hung up meanwhile.
$call->dtmf($digits, duration => 100, cb_final => sub { }) if defined $digits && length $digits;
$ua->loop($seconds, \$over, \$enough);
if ($over) {
    print "hung up\n";
} else {
    my $done;
    $call->bye(cb_final => \$done);
    $ua->loop(60, \$done);
    print $done ? "bye answered\n" : "bye lost\n";
}
$phone->leaves;
