#!/usr/bin/perl
# spin MILLISECONDS: counts its own work in windows of 10 ms: what it can't do, somebody else did.
use strict;
use warnings;
use Time::HiRes qw(clock_gettime CLOCK_MONOTONIC);

my $windows = $ARGV[0] / 10;
my @work = (0) x $windows;
open(my $console, '>', '/dev/ttyS0') or die "console: $!";
syswrite($console, "mark spin $$\n");
my $started = clock_gettime(CLOCK_MONOTONIC);
while ((my $window = int((clock_gettime(CLOCK_MONOTONIC) - $started) * 100)) < $windows) {
    for (1 .. 50) { $work[$window]++ }
}
print join(' ', @work), "\n";
