<?php
// What both PHP drivers do, and print, at each target: php with_X.php STATEMENTS USER PASSWORD DATABASE NAME=PORT...
//
// A driver's file makes a class of Session and gives its name to main().

abstract class Session
{
    abstract public function __construct(int $port, string $user, string $password, string $database, string $charset);
    /** Every result of a statement of text: rows, or counts. */
    abstract public function text(string $sql): array;
    /** The same of a prepared one. */
    abstract public function prepared(string $sql, array $values): array;
    abstract public function begin(): void;
    abstract public function commit(): void;
    abstract public function rollback(): void;
    /** What only this driver can do. */
    abstract public function more(array $login): void;
    abstract public static function told(Exception $error): string;

    public function run(string $sql, ?array $values = null, ?callable $show = null): void
    {
        $show ??= show(...);
        echo '> ', substr($sql, 0, 100), $values === null ? '' : ' ' . $show($values), "\n";
        try {
            foreach ($values === null ? $this->text($sql) : $this->prepared($sql, $values) as $part) {
                echo '  ', $show($part), "\n";
            }
        } catch (Exception $error) {
            echo '  ERROR ', static::told($error), "\n";
        }
    }
}

function show(mixed $value): string
{
    return is_array($value)
        ? '[' . implode(', ', array_map(fn($key, $one) => "$key: " . show($one), array_keys($value), $value)) . ']'
        : var_export($value, true);
}

/** Big values by their length and digest. */
function brief(mixed $value): string
{
    if (is_array($value)) {
        return '[' . implode(', ', array_map(brief(...), $value)) . ']';
    }
    return is_string($value) && strlen($value) > 1000 ? strlen($value) . ' bytes: ' . md5($value) : var_export($value, true);
}

function lists(string $path): array
{
    $found = [];
    foreach (file($path, FILE_IGNORE_NEW_LINES | FILE_SKIP_EMPTY_LINES) as $line) {
        if ($line[0] === '[') {
            $found[$name = trim($line, '[]')] = [];
        } elseif ($line[0] !== '#') {
            $found[$name][] = $line;
        }
    }
    return $found;
}

function parameters(Session $session, array $statements): void
{
    foreach ($statements as $sql) {
        $session->run($sql, [1]);
        $session->run($sql, [2]);
    }
    $rows = [["text 😀 'quoted' \\ %s", -1], ['ünï', null], ["b\0ytes", 2147483647], ['wide', 2 ** 40]];
    foreach ($rows as $values) {
        $session->run('INSERT INTO work (name, n) VALUES (?, ?)', $values);
    }
    $session->run('SELECT id, name, n FROM work ORDER BY id');
    $session->run('SELECT ?, ?, ?, ?', [null, 1.25, '😀', "'\\"]);
    $session->run('DELETE FROM work');
}

function transactions(Session $session, Session $other): void
{
    $count = 'SELECT COUNT(*) FROM work';
    $add = fn(string $name) => $session->run("INSERT INTO work (name) VALUES ('$name')");
    $session->begin();
    $add('committed');
    $other->run($count);
    $session->commit();
    $other->run($count);
    $session->begin();
    $add('rolled back');
    $session->run('SAVEPOINT s');
    $add('past the savepoint');
    $session->run('ROLLBACK TO SAVEPOINT s');
    $session->run($count);
    $session->rollback();
    $session->run($count);
    $session->run('SET autocommit = 0');
    $add('without autocommit');
    $other->run($count);
    $session->run('ROLLBACK');
    $add('kept');
    $session->run('COMMIT');
    $session->run('SET autocommit = 1');
    $session->begin();
    $session->run("SELECT name FROM work WHERE name = 'kept' FOR UPDATE");
    $other->run("SELECT name FROM work WHERE name = 'kept' FOR UPDATE NOWAIT");
    // One that fails inside a transaction leaves the transaction open.
    $session->run('SELECT * FROM missing');
    $add('after the error');
    $session->commit();
    $other->run('SELECT name FROM work ORDER BY name');
    $session->run('DELETE FROM work');
}

function big(Session $session): void
{
    $insert = 'INSERT INTO big VALUES (?, ?, ?)';
    $data = str_repeat(implode('', array_map(chr(...), range(0, 255))), 8000);
    $session->run($insert, [1, str_repeat('großer Text 😀 ', 200000), $data], brief(...));
    $session->run($insert, [2, str_repeat('x', 70000), str_repeat("\xff", 300000)], brief(...));
    $session->run('SELECT id, LENGTH(t), SHA2(t, 256), SHA2(b, 256) FROM big ORDER BY id');
    $session->run('SELECT * FROM big ORDER BY id', null, brief(...));
    $session->run('SELECT t FROM big WHERE id = ?', [1], brief(...));
    // More rows than a buffer holds.
    $rows = "SELECT a.id AS a, REPEAT('r', 5000) AS r FROM types a, types b, types c ORDER BY a.id, b.id, c.id";
    $session->run($rows, null, brief(...));
}

function character_sets(callable $open): void
{
    $sessions = [$open(['charset' => 'latin1']), $open([])];
    foreach ($sessions as $session) {
        $session->run('SELECT @@character_set_client, @@character_set_results, @@collation_connection');
    }
    $sessions[0]->run("INSERT INTO texts VALUES (1, '\xe9 latin \xfc', '\xe9 latin \xfc')");
    $sessions[1]->run("INSERT INTO texts VALUES (2, 'é utf8 😀', 'é utf8')");
    foreach ($sessions as $session) {
        $session->run('SELECT id, u, l, HEX(u), HEX(l) FROM texts ORDER BY id');
    }
}

function ends(string $class, callable $open, array $login): void
{
    foreach ([['password' => 'wrong'], ['database' => 'missing_database']] as $wrong) {
        try {
            $open($wrong);
            echo 'logged in with a wrong ', key($wrong), "\n";
        } catch (Exception $error) {
            echo 'wrong ', key($wrong), ' ', $class::told($error), "\n";
        }
    }
    $session = $open([]);
    // Which error a dead connection gives depends on how far its end has come.
    try {
        @$session->text('KILL CONNECTION_ID()');
        @$session->text('SELECT 1');
        echo "alive after KILL\n";
    } catch (Exception) {
        echo "gone\n";
    }
    $session = $open([]);
    $session->run("SELECT 'back'");
    $session->more($login);
}

function play(string $class, array $login, array $statements): void
{
    $open = fn(array $other) => new $class(...[...$login, ...$other]);
    $one = $open([]);
    $one->run('SELECT VERSION(), CURRENT_USER(), DATABASE(), @@autocommit, @@sql_mode, @@time_zone');
    $one->run('SELECT @@character_set_client, @@character_set_results, @@collation_connection');
    foreach ([...$statements['schema'], ...$statements['types']] as $sql) {
        $one->run($sql);
    }
    parameters($one, $statements['prepared']);
    $one->run('CALL twice(21)');
    $two = $open([]);
    transactions($one, $two);
    foreach ($statements['one'] as $at => $sql) {
        $one->run($sql);
        $two->run($statements['two'][$at]);
    }
    unset($one, $two);
    $one = $open([]);
    foreach ($statements['errors'] as $sql) {
        $one->run($sql);
        $one->run("SELECT 'alive'");
    }
    big($one);
    unset($one);
    character_sets($open);
    ends($class, $open, $login);
}

function main(string $class, string $kind = ''): void
{
    [, $path, $user, $password, $database] = $GLOBALS['argv'];
    ini_set('memory_limit', '1G');
    foreach (array_slice($GLOBALS['argv'], 5) as $target) {
        [$name, $port] = explode('=', $target);
        $usual = ['user' => $user, 'password' => $password, 'database' => $database, 'charset' => 'utf8mb4'];
        echo "== target $name $kind\n";
        play($class, ['port' => (int) $port] + $usual, lists($path));
        echo "== end $name\n";
    }
}
