# Where media_send_recv puts what comes: audio into a raw mu-law file; of telephone
# events (RFC 4733), the duration that their last packet has said.
package Keep;
use strict;
use warnings;

sub new {
    my ($class, $path) = @_;
    open my $out, '>:raw', $path or die "$path: $!\n";
    return bless { out => $out, lasted => 0 }, $class;
}

sub to {
    my ($self) = @_;
    return sub {
        my ($payload, undef, undef, undef, $type) = @_;
        if ($type == 101) {
            $self->{lasted} = unpack 'x2n', $payload;
        } else {
            syswrite $self->{out}, $payload;
        }
    };
}

1;
