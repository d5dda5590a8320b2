# Answers one call, plays a raw mu-law file, keeps what it hears, says the digits; hangs
# up after SECONDS, or when it hears a #.
# Usage: perl netsip_answers.pl HOST:PORT[;transport=tcp] IN.ulaw OUT.ulaw SECONDS
#        [DIGITS [ACCOUNT]]
use strict;
use warnings;
use FindBin;
use lib $FindBin::Bin;
use Keep;
use Phone;

my ($local, $in, $out, $seconds, $digits, $account) = @ARGV;
$| = 1;
my $keep = Keep->new($out);
my $phone = Phone->new($local, $account);
my $ua = $phone->ua;
$phone->registers;
my ($over, $enough, $established);
my $call;
$ua->listen(
    init_media => $ua->rtp('media_send_recv', $in, 1, $keep->to),
    cb_create => sub { $call = $_[0]; print "called\n"; 1 },
    cb_established => sub { print "established\n"; $established = 1 },
    recv_bye => \$over,
    cb_dtmf => sub {
        print "heard $_[0] for $keep->{lasted}\n";
        $enough = 1 if $_[0] eq '#';
    },
    dtmf_methods => 'rfc2833',
);
print "ready\n";
$ua->loop(60, \$established);
$established or die "nobody has called\n";
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
