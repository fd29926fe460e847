<?php
// mysqli on mysqlnd: prepared statements by the binary protocol.
require __DIR__ . '/scenario.php';

class Mysqli_ extends Session
{
    public mysqli $conn;

    public function __construct(int $port, string $user, string $password, string $database, string $charset)
    {
        mysqli_report(MYSQLI_REPORT_ERROR | MYSQLI_REPORT_STRICT);
        $this->conn = new mysqli('127.0.0.1', $user, $password, $database, $port);
        $this->conn->set_charset($charset);
    }

    private function counts(mysqli|mysqli_stmt $from): array
    {
        return [$from->affected_rows, $from->insert_id, $this->conn->info, $this->conn->warning_count];
    }

    private static function columns(mysqli_result $result): array
    {
        return array_map(fn($field) => [$field->name, $field->type, $field->length, $field->flags], $result->fetch_fields());
    }

    public function text(string $sql): array
    {
        $this->conn->multi_query($sql);
        $parts = [];
        do {
            $result = $this->conn->store_result();
            $parts[] = $result ? [self::columns($result), $result->fetch_all()] : $this->counts($this->conn);
        } while ($this->conn->next_result());
        return $parts;
    }

    public function prepared(string $sql, array $values): array
    {
        $statement = $this->conn->prepare($sql);
        $types = ['integer' => 'i', 'double' => 'd', 'string' => 's', 'NULL' => 's'];
        $statement->bind_param(implode('', array_map(fn($value) => $types[gettype($value)], $values)), ...$values);
        $statement->execute();
        $result = $statement->get_result();
        return [$result ? [self::columns($result), $result->fetch_all()] : $this->counts($statement)];
    }

    public function begin(): void
    {
        $this->conn->begin_transaction();
    }

    public function commit(): void
    {
        $this->conn->commit();
    }

    public function rollback(): void
    {
        $this->conn->rollback();
    }

    public static function told(Exception $error): string
    {
        return show([$error->getCode(), $error instanceof mysqli_sql_exception ? $error->getSqlState() : '', $error->getMessage()]);
    }

    public function more(array $login): void
    {
        $this->run('SELECT 1; SELECT 2');
        // A cursor on the server, read in pieces, with other statements in between.
        $statement = $this->conn->prepare('SELECT a.id FROM types a, types b ORDER BY a.id, b.id');
        $statement->attr_set(MYSQLI_STMT_ATTR_CURSOR_TYPE, MYSQLI_CURSOR_TYPE_READ_ONLY);
        $statement->execute();
        $statement->bind_result($id);
        for ($ids = []; $statement->fetch(); $ids[] = $id);
        echo 'cursor: ', implode(' ', $ids), "\n";
        $statement->close();
        // A parameter in pieces.
        $statement = $this->conn->prepare('SELECT LENGTH(?), SHA2(?, 256)');
        [$first, $second] = [null, 'short'];
        $statement->bind_param('bs', $first, $second);
        foreach (range(1, 20) as $piece) {
            $statement->send_long_data(0, str_repeat("piece $piece", 5000));
        }
        $statement->execute();
        echo 'long data: ', show($statement->get_result()->fetch_all()), "\n";
        $statement->close();
        $result = $this->conn->query('SELECT a.id FROM types a, types b', MYSQLI_USE_RESULT);
        echo 'unbuffered: ', count($result->fetch_all()), "\n";
        $result->free();
        $this->run('SET @x = 1');
        $this->conn->change_user($login['user'], $login['password'], $login['database']);
        $this->run('SELECT @x, DATABASE()');
        $this->conn->select_db('information_schema');
        $this->run('SELECT DATABASE()');
    }
}

main(Mysqli_::class);
