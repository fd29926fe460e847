// go-sql-driver/mysql, twice, with parameters prepared by the server and put into the text by the driver:
// go run scenario.go STATEMENTS USER PASSWORD DATABASE NAME=PORT...
//
// It logs in by whichever plugin the greeting names; where caching_sha2_password wants the password in full it asks for
// the server's RSA key by itself, without being told to.
package main

import (
	"context"
	"crypto/md5"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/go-sql-driver/mysql"
)

var (
	ctx = context.Background()
	// database/sql wants to be told which statements give rows.
	asks = regexp.MustCompile(`^(SELECT|SHOW|CALL|EXECUTE)\b`)
)

// One connection, and the pool of one that it is from.
type session struct {
	*sql.Conn
	db *sql.DB
}

type login struct{ user, password, address, database, options string }

func (l login) dsn() string {
	return fmt.Sprintf("%s:%s@tcp(%s)/%s?multiStatements=true&%s", l.user, l.password, l.address, l.database, l.options)
}

func (l login) open() (session, error) {
	db, err := sql.Open("mysql", l.dsn())
	if err != nil {
		return session{}, err
	}
	conn, err := db.Conn(ctx)
	return session{conn, db}, err
}

func (l login) must() session {
	s, err := l.open()
	must(err)
	return s
}

func (l login) with(option string) login {
	l.options += "&" + option
	return l
}

func (s session) close() {
	s.Conn.Close()
	s.db.Close()
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func told(err error) string {
	var server *mysql.MySQLError
	if errors.As(err, &server) {
		return fmt.Sprintf("server's %d %q", server.Number, server.Message)
	}
	return fmt.Sprintf("%T %v", err, err)
}

// Big values by their length and digest.
func show(values []any) string {
	shown := make([]string, len(values))
	for at, value := range values {
		var text string
		if data, isData := value.([]byte); isData {
			text = string(data)
		} else {
			text = fmt.Sprint(value)
		}
		if len(text) > 1000 {
			shown[at] = fmt.Sprintf("%T of %d: %x", value, len(text), md5.Sum([]byte(text)))
		} else {
			shown[at] = fmt.Sprintf("%T %q", value, text)
		}
	}
	return strings.Join(shown, ", ")
}

func (s session) run(text string, values ...any) {
	fmt.Printf("> %.100s %s\n", text, show(values))
	act := s.change
	if asks.MatchString(text) {
		act = s.ask
	}
	if err := act(text, values); err != nil {
		fmt.Println("  ERROR", told(err))
	}
}

func (s session) change(text string, values []any) error {
	result, err := s.ExecContext(ctx, text, values...)
	if err != nil {
		return err
	}
	affected, _ := result.RowsAffected()
	id, _ := result.LastInsertId()
	fmt.Println("  affected, id:", affected, id)
	return nil
}

// Every result of a statement in turn.
func (s session) ask(text string, values []any) error {
	rows, err := s.QueryContext(ctx, text, values...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for more := true; more; more = rows.NextResultSet() {
		if err := printRows(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

func printRows(rows *sql.Rows) error {
	columns, err := rows.ColumnTypes()
	if err != nil {
		return err
	}
	for _, column := range columns {
		nullable, _ := column.Nullable()
		precision, scale, _ := column.DecimalSize()
		fmt.Println("  column:", column.Name(), column.DatabaseTypeName(), column.ScanType(), nullable, precision, scale)
	}
	values, places := make([]any, len(columns)), make([]any, len(columns))
	for at := range values {
		places[at] = &values[at]
	}
	for rows.Next() {
		if err := rows.Scan(places...); err != nil {
			return err
		}
		fmt.Println(" ", show(values))
	}
	return rows.Err()
}

func (s session) begin() *sql.Tx {
	tx, err := s.BeginTx(ctx, nil)
	must(err)
	return tx
}

func lists(path string) map[string][]string {
	text, err := os.ReadFile(path)
	must(err)
	found, name := map[string][]string{}, ""
	for _, line := range strings.Split(string(text), "\n") {
		if strings.HasPrefix(line, "[") {
			name = strings.Trim(line, "[]")
		} else if line != "" && line[0] != '#' {
			found[name] = append(found[name], line)
		}
	}
	return found
}

func parameters(s session, statements []string) {
	for _, text := range statements {
		s.run(text, 1)
		s.run(text, 2)
	}
	insert := "INSERT INTO work (name, n) VALUES (?, ?)"
	s.run(insert, "text 😀 'quoted' \\ %s", -1)
	s.run(insert, "ünï", nil)
	s.run(insert, []byte("bytes"), 2147483647)
	s.run(insert, "wide", int64(1)<<40)
	s.run("SELECT id, name, n FROM work ORDER BY id")
	s.run("SELECT ?, ?, ?, ?, ?", nil, 1.25, "😀", []byte("\x00\xff'\\"), time.UnixMicro(1234567890123456).UTC())
	s.run("DELETE FROM work")
}

func transactions(s, other session) {
	count := "SELECT COUNT(*) FROM work"
	add := func(name string) { s.run("INSERT INTO work (name) VALUES ('" + name + "')") }
	tx := s.begin()
	add("committed")
	other.run(count)
	must(tx.Commit())
	other.run(count)
	tx = s.begin()
	add("rolled back")
	s.run("SAVEPOINT s")
	add("past the savepoint")
	s.run("ROLLBACK TO SAVEPOINT s")
	s.run(count)
	must(tx.Rollback())
	s.run(count)
	s.run("SET autocommit = 0")
	add("without autocommit")
	other.run(count)
	s.run("ROLLBACK")
	add("kept")
	s.run("COMMIT")
	s.run("SET autocommit = 1")
	tx = s.begin()
	s.run("SELECT name FROM work WHERE name = 'kept' FOR UPDATE")
	other.run("SELECT name FROM work WHERE name = 'kept' FOR UPDATE NOWAIT")
	// One that fails inside a transaction leaves the transaction open.
	s.run("SELECT * FROM missing")
	add("after the error")
	must(tx.Commit())
	other.run("SELECT name FROM work ORDER BY name")
	readOnly, err := s.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelSerializable, ReadOnly: true})
	must(err)
	add("never")
	s.run(count)
	must(readOnly.Commit())
	s.run("DELETE FROM work")
}

func big(s session) {
	insert := "INSERT INTO big VALUES (?, ?, ?)"
	data := make([]byte, 256*8000)
	for at := range data {
		data[at] = byte(at)
	}
	s.run(insert, 1, strings.Repeat("großer Text 😀 ", 200000), data)
	s.run(insert, 2, strings.Repeat("x", 70000), []byte(strings.Repeat("\xff", 300000)))
	s.run("SELECT id, LENGTH(t), SHA2(t, 256), SHA2(b, 256) FROM big ORDER BY id")
	s.run("SELECT * FROM big ORDER BY id")
	s.run("SELECT t FROM big WHERE id = ?", 1)
	// More rows than a buffer holds.
	s.run("SELECT a.id, REPEAT('r', 5000) FROM types a, types b, types c ORDER BY a.id, b.id, c.id")
}

func characterSets(l login) {
	sessions := []session{l.with("collation=latin1_swedish_ci").must(), l.must()}
	for _, s := range sessions {
		s.run("SELECT @@character_set_client, @@character_set_results, @@collation_connection")
	}
	sessions[0].run("INSERT INTO texts VALUES (1, '\xe9 latin \xfc', '\xe9 latin \xfc')")
	sessions[1].run("INSERT INTO texts VALUES (2, 'é utf8 😀', 'é utf8')")
	for _, s := range sessions {
		s.run("SELECT id, u, l, HEX(u), HEX(l) FROM texts ORDER BY id")
		s.close()
	}
}

func ends(l login) {
	password, database := l, l
	password.password, database.database = "wrong", "missing_database"
	for _, wrong := range []login{password, database} {
		_, err := wrong.open()
		fmt.Println("wrong login:", told(err))
	}
	s := l.must()
	must(s.PingContext(ctx))
	// Which error a dead connection gives depends on how far its end has come.
	_, first := s.ExecContext(ctx, "KILL CONNECTION_ID()")
	_, second := s.ExecContext(ctx, "DO 1")
	if first == nil && second == nil {
		fmt.Println("alive after KILL")
	} else {
		fmt.Println("gone")
	}
	s.close()
	s = l.must()
	s.run("SELECT 'back'")
	s.run("SELECT 1; SELECT 2")
	mysql.RegisterReaderHandler("rows", func() io.Reader { return strings.NewReader(strings.Repeat("x\ny\nz\n", 2000)) })
	s.run("CREATE TABLE IF NOT EXISTS loaded (v VARCHAR(9))")
	s.run("LOAD DATA LOCAL INFILE 'Reader::rows' INTO TABLE loaded")
	s.run("SELECT v, COUNT(*) FROM loaded GROUP BY v ORDER BY v")
	s.run("DROP TABLE loaded")
	s.close()
	s = l.with("parseTime=true&time_zone=%27%2B05%3A30%27").must()
	s.run("SELECT id, dt, tm, at, ts FROM types ORDER BY id")
	s.run("SELECT id, dt, tm, at, ts FROM types WHERE id > ? ORDER BY id", 0)
	s.close()
	cutOff(l)
	pool(l)
}

// A statement that is not waited for: the driver closes the connection, and the pool opens another.
func cutOff(l login) {
	db, err := sql.Open("mysql", l.dsn())
	must(err)
	short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	defer cancel()
	_, err = db.ExecContext(short, "DO SLEEP(30)")
	fmt.Println("cut off:", told(err))
	var after string
	must(db.QueryRow("SELECT 'after it'").Scan(&after))
	fmt.Println(after)
	must(db.Close())
}

// Many at once on few connections, with one statement that is prepared wherever it runs.
func pool(l login) {
	db, err := sql.Open("mysql", l.dsn())
	must(err)
	db.SetMaxOpenConns(3)
	double, err := db.Prepare("SELECT ? * 2")
	must(err)
	var all sync.WaitGroup
	var doubles [20]int
	for n := range doubles {
		all.Add(1)
		go func(n int) {
			defer all.Done()
			must(double.QueryRow(n).Scan(&doubles[n]))
		}(n)
	}
	all.Wait()
	fmt.Println("at once:", doubles)
	must(double.Close())
	must(db.Close())
}

func play(l login, statements map[string][]string) {
	one := l.must()
	one.run("SELECT VERSION(), CURRENT_USER(), DATABASE(), @@autocommit, @@sql_mode, @@time_zone")
	one.run("SELECT @@character_set_client, @@character_set_results, @@collation_connection")
	for _, text := range append(statements["schema"], statements["types"]...) {
		one.run(text)
	}
	parameters(one, statements["prepared"])
	one.run("CALL twice(21)")
	two := l.must()
	transactions(one, two)
	for at, text := range statements["one"] {
		one.run(text)
		two.run(statements["two"][at])
	}
	one.close()
	two.close()
	one = l.must()
	for _, text := range statements["errors"] {
		one.run(text)
		one.run("SELECT 'alive'")
	}
	big(one)
	one.close()
	characterSets(l)
	ends(l)
}

func main() {
	statements := lists(os.Args[1])
	kinds := [][2]string{
		// What is longer than a quarter of this goes in pieces, as long data.
		{"prepared", "maxAllowedPacket=1048576"},
		// Asks for the server's own limit, so that everything fits into the text.
		{"interpolated", "interpolateParams=true&clientFoundRows=true&maxAllowedPacket=0"},
	}
	for _, target := range os.Args[5:] {
		name, port, _ := strings.Cut(target, "=")
		for _, kind := range kinds {
			fmt.Println("== target", name, kind[0])
			play(login{os.Args[2], os.Args[3], "127.0.0.1:" + port, os.Args[4], kind[1]}, statements)
			fmt.Println("== end", name)
		}
	}
}
