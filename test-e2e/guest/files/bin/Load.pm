# What the load programs share: options, an honest place in the OOM order, a report of the rate reached.
package Load;
use strict;
use warnings;
use Getopt::Long;
use Time::HiRes;
use Exporter 'import';
our @EXPORT = qw(options become_prey now report);

# options(name => default, ...): numbers only; undef as default means required.
sub options {
    my %values = @_;
    GetOptions(map { ("$_=f" => \$values{$_}) } keys %values) or exit 2;
    for my $name (sort keys %values) {
        defined $values{$name} or die "--$name is required\n";
    }
    return \%values;
}

# The first choice of the OOM killer, so that a test that goes wrong costs the load and not PostgreSQL.
sub become_prey {
    open(my $file, '>', '/proc/self/oom_score_adj') or return;
    print $file 500;
    close($file);
}

sub now { return Time::HiRes::clock_gettime(Time::HiRes::CLOCK_MONOTONIC()) }

# report(MiB, started at)
sub report {
    my ($mib, $started) = @_;
    my $seconds = now() - $started;
    local $| = 1;
    printf("%d MiB in %.2f s, %.0f MB/s\n", $mib, $seconds, $mib * 1.048576 / ($seconds || 1e-9));
}
1;
