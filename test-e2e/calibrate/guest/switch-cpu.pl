#!/usr/bin/perl
# switch-cpu TIMES: takes CPU 1 offline and online again; a line each time: milliseconds offline, milliseconds online.
use strict;
use warnings;
use Time::HiRes qw(clock_gettime CLOCK_MONOTONIC);

sub took {
    my ($value) = @_;
    open(my $switch, '>', '/sys/devices/system/cpu/cpu1/online') or die "cpu1: $!";
    my $started = clock_gettime(CLOCK_MONOTONIC);
    # The write returns when the kernel has done it.
    syswrite($switch, $value) or die "cpu1 to $value: $!";
    return (clock_gettime(CLOCK_MONOTONIC) - $started) * 1000;
}

for (1 .. $ARGV[0]) {
    my $off = took('0');
    Time::HiRes::sleep(0.2);
    printf("%.2f %.2f\n", $off, took('1'));
    Time::HiRes::sleep(0.2);
}
