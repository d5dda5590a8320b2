# A user agent at HOST:PORT[;transport=tcp]: nobody in particular, or somebody who has
# an account, USER:PASSWORD@DOMAIN:PORT, with a registrar and proxy at that port here.
package Phone;
use strict;
use warnings;
use Net::SIP;

sub new {
    my ($class, $local, $account) = @_;
    my ($address, $port, $transport) = $local =~ /^(.*):(\d+)(?:;transport=(\w+))?$/;
    my ($user, $password, $domain, $proxy) =
        ($account // '') =~ /^(.*):(.*)\@(.*):(\d+)$/;
    my $contact = 'sip:' . ($user ? "$user\@" : '') . $local;
    my %account;
    if ($user) {
        # A registrar with a parameter would be put in brackets in the Request-URI.
        my $at = "sip:$address:$proxy";
        %account = (auth => [ $user, $password ], registrar => $at,
            outgoing_proxy => $at . ($transport ? ";transport=$transport" : ''));
    }
    my $ua = Net::SIP::Simple->new(
        from => $user ? "sip:$user\@$domain" : "sip:perl\@$address:$port",
        leg => { addr => $address, port => $port, proto => $transport || 'udp',
            contact => $contact },
        %account,
    );
    # Its own parameters are those of the header, unless it is in brackets.
    return bless { ua => $ua, contact => $user && "<$contact>" }, $class;
}

sub ua { return $_[0]{ua} }

# For a minute, when there is an account.
sub registers {
    my ($self) = @_;
    return if !$self->{contact};
    my $seconds = $self->{ua}->register(contact => $self->{contact}, expires => 60);
    defined $seconds or die 'refused: ' . $self->{ua}->error . "\n";
    print "registered for $seconds\n";
}

sub leaves {
    my ($self) = @_;
    return if !$self->{contact};
    $self->{ua}->register(contact => $self->{contact}, expires => 0);
    print $self->{ua}->error ? 'not removed: ' . $self->{ua}->error . "\n" : "removed\n";
}

1;
