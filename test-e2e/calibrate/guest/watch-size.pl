#!/usr/bin/perl
# watch-size: writes each change of the CPUs and of MemTotal to the serial console, where the other side sees it within
# milliseconds by its own clock. A CPU that appears is brought online at once: the kernel leaves that to user space.
use strict;
use warnings;
use Time::HiRes;

open(my $console, '>', '/dev/ttyS0') or die "console: $!";
my $cpus = '/sys/devices/system/cpu';
my %file;
for my $path ('/proc/meminfo', "$cpus/present", "$cpus/online") {
    open($file{$path}, '<', $path) or die "$path: $!";
}

sub text {
    my ($path) = @_;
    sysseek($file{$path}, 0, 0);
    sysread($file{$path}, my $text, 64);
    return $text;
}

# "0-2,4" is four.
sub count {
    my $sum = 0;
    $sum += /(\d+)-(\d+)/ ? $2 - $1 + 1 : 1 for split(/,/, $_[0]);
    return $sum;
}

my %was = (memory => '', present => '', online => '');
sub mark_change {
    my ($what, $value) = @_;
    return if $was{$what} eq $value;
    $was{$what} = $value;
    syswrite($console, "mark $what $value\n");
}

while (1) {
    my ($kib) = text('/proc/meminfo') =~ /MemTotal:\s+(\d+)/;
    mark_change(memory => $kib);
    my ($present, $online) = (count(text("$cpus/present")), count(text("$cpus/online")));
    mark_change(present => $present);
    if ($present > $online) {
        for my $path (glob("$cpus/cpu[0-9]*/online")) {
            open(my $switch, '+<', $path) or next;
            sysread($switch, my $is_on, 1);
            sysseek($switch, 0, 0);
            syswrite($switch, '1') if $is_on eq '0';
        }
        $online = count(text("$cpus/online"));
    }
    mark_change(online => $online);
    Time::HiRes::sleep(0.005);
}
