<?php
// PDO on mysqlnd: twice, with statements prepared by the server and by the driver.
require __DIR__ . '/scenario.php';

class Native extends Session
{
    protected const EMULATE = false;
    public PDO $conn;

    public function __construct(int $port, string $user, string $password, string $database, string $charset)
    {
        $this->conn = new PDO("mysql:host=127.0.0.1;port=$port;dbname=$database;charset=$charset", $user, $password, [
            PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION,
            PDO::ATTR_EMULATE_PREPARES => static::EMULATE,
            PDO::ATTR_DEFAULT_FETCH_MODE => PDO::FETCH_NUM,
        ]);
    }

    private function parts(PDOStatement $statement): array
    {
        $parts = [];
        do {
            $columns = $statement->columnCount();
            $parts[] = $columns ? $statement->fetchAll() : [$statement->rowCount(), $this->conn->lastInsertId()];
        } while ($statement->nextRowset());
        return $parts;
    }

    public function text(string $sql): array
    {
        return $this->parts($this->conn->query($sql));
    }

    public function prepared(string $sql, array $values): array
    {
        $statement = $this->conn->prepare($sql);
        $types = ['integer' => PDO::PARAM_INT, 'NULL' => PDO::PARAM_NULL];
        foreach ($values as $at => $value) {
            $statement->bindValue($at + 1, $value, $types[gettype($value)] ?? PDO::PARAM_STR);
        }
        $statement->execute();
        return $this->parts($statement);
    }

    public function run(string $sql, ?array $values = null, ?callable $show = null): void
    {
        // Prepared by the server, these two are a known gap of transaction pools (docs/pinning.md).
        if (static::EMULATE || !preg_match('/ROW_COUNT|FOUND_ROWS\(/', $sql)) {
            parent::run($sql, $values, $show);
        }
    }

    public function begin(): void
    {
        $this->conn->beginTransaction();
    }

    public function commit(): void
    {
        $this->conn->commit();
    }

    public function rollback(): void
    {
        $this->conn->rollBack();
    }

    public static function told(Exception $error): string
    {
        return show([$error->getCode(), $error->getMessage(), $error->errorInfo ?? null]);
    }

    public function more(array $login): void
    {
        $statement = $this->conn->prepare('SELECT ? * 2');
        foreach (range(1, 20) as $number) {
            $statement->execute([$number]);
            echo show($statement->fetchAll()), "\n";
        }
        echo show($this->conn->getAttribute(PDO::ATTR_SERVER_VERSION)), "\n";
    }
}

class Emulated extends Native
{
    protected const EMULATE = true;
}

main(Native::class, 'native');
main(Emulated::class, 'emulated');
