#!/usr/bin/perl
# Runs shell commands for tests, several at once. It must answer when the guest has no memory left: it is never
# the OOM killer's choice, its pages stay in memory, and the commands it starts are ordinary processes again.
# Request:  "BYTES\n" command          Reply: "CODE STDOUT_BYTES STDERR_BYTES\n" stdout stderr
# A connection that closes early takes its command with it. A command ended by signal N has code 128 + N.
use strict;
use warnings;
use IO::Select;
use IO::Socket::INET;
use POSIX ();

sub oom_score {
    open(my $file, '>', '/proc/self/oom_score_adj') or return;
    print $file $_[0];
    close($file);
}

sub read_exactly {
    my ($from, $bytes) = @_;
    my $text = '';
    while (length($text) < $bytes) {
        sysread($from, $text, $bytes - length($text), length($text)) or return undef;
    }
    return $text;
}

sub run_command {
    my ($command) = @_;
    pipe(my $out_read, my $out_write) or die;
    pipe(my $err_read, my $err_write) or die;
    my $pid = fork() // die "fork: $!";
    if ($pid == 0) {
        POSIX::setpgid(0, 0);
        oom_score(0);
        $SIG{PIPE} = 'DEFAULT';
        open(STDIN,  '<', '/dev/null');
        open(STDOUT, '>&', $out_write);
        open(STDERR, '>&', $err_write);
        close($_) for $out_read, $err_read, $out_write, $err_write;
        exec('/bin/sh', '-c', $command) or POSIX::_exit(127);
    }
    close($out_write);
    close($err_write);
    return ($pid, $out_read, $err_read);
}

sub serve {
    my ($peer) = @_;
    my ($size, $char) = ('', '');
    while (sysread($peer, $char, 1) and $char ne "\n") { $size .= $char; }
    $size =~ /^\d{1,7}$/ or return;
    my $command = read_exactly($peer, $size) // return;
    my ($pid, $out, $err) = run_command($command);
    my %text = ($out => '', $err => '');
    # It ends when both streams end, not when the shell does: what the command left running may still print.
    my $waiting = IO::Select->new($out, $err, $peer);
    while ($waiting->count > 1) {
        for my $ready ($waiting->can_read) {
            if ($ready == $peer) {
                kill('KILL', -$pid);
                return;
            }
            my $count = sysread($ready, $text{$ready}, 65536, length($text{$ready}));
            $waiting->remove($ready) unless $count;
        }
    }
    waitpid($pid, 0);
    my $code = $? & 127 ? 128 + ($? & 127) : $? >> 8;
    print $peer join(' ', $code, length($text{$out}), length($text{$err})), "\n", $text{$out}, $text{$err};
    $peer->flush;
}

oom_score(-1000);
# mlockall(MCL_CURRENT | MCL_FUTURE) on x86_64: a page fault of our own would wait behind the guest's thrashing.
syscall(151, 3);
$SIG{CHLD} = 'IGNORE';
$SIG{PIPE} = 'IGNORE';
my $listener = IO::Socket::INET->new(
    LocalAddr => '0.0.0.0', LocalPort => 10400, Listen => 32, ReuseAddr => 1,
) or die "listen: $!";
while (1) {
    my $peer = $listener->accept or next;
    my $pid = fork();
    if (defined $pid && $pid == 0) {
        $SIG{CHLD} = 'DEFAULT';
        close($listener);
        serve($peer);
        POSIX::_exit(0);
    }
    close($peer);
}
