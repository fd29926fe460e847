# DBD::MariaDB, by text and by statements that the server prepares:
# perl dbd_mariadb.pl STATEMENTS USER PASSWORD DATABASE NAME=PORT...
use strict;
use warnings;
use Data::Dumper;
use DBI;
use Digest::MD5 'md5_hex';
use Encode 'encode_utf8';

binmode STDOUT, ':encoding(UTF-8)';
$| = 1;
($Data::Dumper::Terse, $Data::Dumper::Indent, $Data::Dumper::Useqq) = (1, 0, 1);

my ($path, $user, $password, $database, @targets) = @ARGV;
my %lists;
my $list;
open my $file, '<:encoding(UTF-8)', $path or die $!;
while (<$file>) {
    chomp;
    if (/^\[(.*)\]/) { $list = $lists{$1} = [] }
    elsif (/^[^#]/) { push @$list, $_ }
}

sub connected {
    my ($port, $prepares, %login) = (@_);
    my $source = "DBI:MariaDB:host=127.0.0.1;port=$port;database=" . ($login{database} // $database);
    return DBI->connect($source, $user, $login{password} // $password,
        { RaiseError => 0, PrintError => 0, AutoCommit => 1, mariadb_server_prepare => $prepares });
}

sub told { my ($of) = @_; return Dumper([$of->err, $of->state, $of->errstr]) }
sub told_at_login { return Dumper([$DBI::err, $DBI::state, $DBI::errstr]) }

# Big values by their length and digest.
sub short {
    my ($value) = @_;
    return defined $value && length $value > 1000 ? length($value) . ' of ' . md5_hex(encode_utf8 $value) : Dumper($value);
}

sub run {
    my ($session, $sql, $values, $show) = @_;
    $show //= \&Dumper;
    print '> ', substr($sql, 0, 100), ' ', join(', ', map { $show->(ref $_ ? $$_[0] : $_) } @{ $values // [] }), "\n";
    my $statement = $session->prepare($sql) or return print '  ERROR ', told($session), "\n";
    my $at = 0;
    # A value in a list is of bytes.
    $statement->bind_param(++$at, ref $_ ? ($$_[0], DBI::SQL_BLOB()) : $_) for @{ $values // [] };
    my $count = $statement->execute;
    return print '  ERROR ', told($statement), "\n" unless defined $count;
    do {
        if ($statement->{NUM_OF_FIELDS}) {
            print '  columns: ', Dumper([map { $statement->{$_} } qw(NAME mariadb_type mariadb_length NULLABLE)]), "\n";
            while (my $row = $statement->fetchrow_arrayref) {
                print '  ', join(', ', map { $show->($_) } @$row), "\n";
            }
        }
        else {
            print '  affected ', $statement->rows, ', id ', Dumper($statement->{mariadb_insertid}), "\n";
        }
        print '  warnings: ', $statement->{mariadb_warning_count}, "\n" if $statement->{mariadb_warning_count};
    } while ($statement->more_results);
}

sub parameters {
    my ($session) = @_;
    for my $sql (@{ $lists{prepared} }) {
        run($session, $sql, [$_]) for 1, 2;
    }
    for my $values (["text \x{1F600} 'quoted' \\ %s", -1], ["\x{fc}n\x{ef}", undef], ['zero', 2147483647], ['wide', 2**40]) {
        run($session, 'INSERT INTO work (name, n) VALUES (?, ?)', $values);
    }
    run($session, 'SELECT id, name, n FROM work ORDER BY id');
    run($session, 'SELECT ?, ?, ?', [undef, 1.25, "\x{1F600}"]);
    run($session, 'DELETE FROM work');
}

sub transactions {
    my ($session, $other) = @_;
    my $count = 'SELECT COUNT(*) FROM work';
    my $add = sub { run($session, "INSERT INTO work (name) VALUES ('$_[0]')") };
    $session->begin_work;
    $add->('committed');
    run($other, $count);
    $session->commit;
    run($other, $count);
    $session->begin_work;
    $add->('rolled back');
    run($session, 'SAVEPOINT s');
    $add->('past the savepoint');
    run($session, 'ROLLBACK TO SAVEPOINT s');
    run($session, $count);
    $session->rollback;
    run($session, $count);
    $session->{AutoCommit} = 0;
    $add->('without autocommit');
    run($other, $count);
    $session->rollback;
    $add->('kept');
    $session->commit;
    $session->{AutoCommit} = 1;
    $session->begin_work;
    run($session, "SELECT name FROM work WHERE name = 'kept' FOR UPDATE");
    run($other, "SELECT name FROM work WHERE name = 'kept' FOR UPDATE NOWAIT");
    # One that fails inside a transaction leaves the transaction open.
    run($session, 'SELECT * FROM missing');
    $add->('after the error');
    $session->commit;
    run($other, 'SELECT name FROM work ORDER BY name');
    run($session, 'DELETE FROM work');
}

sub big {
    my ($session) = @_;
    my $insert = 'INSERT INTO big VALUES (?, ?, ?)';
    my $data = join('', map { chr } 0 .. 255) x 8000;
    run($session, $insert, [1, "gro\x{df}er Text \x{1F600} " x 200_000, [$data]], \&short);
    run($session, $insert, [2, 'x' x 70_000, ["\xff" x 300_000]], \&short);
    run($session, 'SELECT id, LENGTH(t), SHA2(t, 256), SHA2(b, 256) FROM big ORDER BY id');
    run($session, 'SELECT * FROM big ORDER BY id', undef, \&short);
    run($session, 'SELECT t FROM big WHERE id = ?', [1], \&short);
    # More rows than a buffer holds.
    my $rows = "SELECT a.id AS a, REPEAT('r', 5000) AS r FROM types a, types b, types c ORDER BY a.id, b.id, c.id";
    run($session, $rows, undef, \&short);
}

sub ends {
    my ($open) = @_;
    for my $wrong (['password', 'wrong'], ['database', 'missing_database']) {
        print 'wrong ', $$wrong[0], ' ', $open->(@$wrong) ? 'logged in' : told_at_login(), "\n";
    }
    my $session = $open->();
    print 'ping: ', $session->ping, "\n";
    # Which error a dead connection gives depends on how far its end has come.
    $session->do('KILL CONNECTION_ID()');
    $session->do('SELECT 1');
    print $session->err ? "gone\n" : "alive after KILL\n";
    $session->disconnect;
    $session = $open->();
    run($session, "SELECT 'back'");
    my $unbuffered = $session->prepare('SELECT a.id FROM types a, types b', { mariadb_use_result => 1 });
    $unbuffered->execute;
    print 'unbuffered: ', scalar @{ $unbuffered->fetchall_arrayref }, "\n";
    $session->disconnect;
}

sub play {
    my ($open) = @_;
    my $one = $open->();
    run($one, 'SELECT VERSION(), CURRENT_USER(), DATABASE(), @@autocommit, @@sql_mode, @@time_zone');
    run($one, 'SELECT @@character_set_client, @@character_set_results, @@collation_connection');
    run($one, $_) for @{ $lists{schema} }, @{ $lists{types} };
    parameters($one);
    run($one, 'CALL twice(21)');
    my $two = $open->();
    transactions($one, $two);
    for my $at (0 .. $#{ $lists{one} }) {
        run($one, $lists{one}[$at]);
        run($two, $lists{two}[$at]);
    }
    $_->disconnect for $one, $two;
    $one = $open->();
    for my $sql (@{ $lists{errors} }) {
        run($one, $sql);
        run($one, "SELECT 'alive'");
    }
    big($one);
    $one->disconnect;
    ends($open);
}

for my $target (@targets) {
    my ($name, $port) = split /=/, $target;
    for my $prepares (0, 1) {
        my $kind = $prepares ? 'prepared' : 'text';
        print "== target $name $kind\n";
        # Prepared by the server, these two are a known gap of transaction pools (docs/pinning.md).
        local @lists{qw(one two)} = map { [map { $prepares && /ROW_COUNT|FOUND_ROWS\(/ ? 'SELECT 1' : $_ } @$_] } @lists{qw(one two)};
        play(sub { connected($port, $prepares, @_) });
        print "== end $name\n";
    }
}
