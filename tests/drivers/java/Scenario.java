// MariaDB Connector/J, twice, with parameters put into the text by the driver and prepared by the server:
// java -cp mariadb-java-client.jar Scenario.java STATEMENTS USER PASSWORD DATABASE NAME=PORT...
//
// It starts by the plugin that the greeting names. Where caching_sha2_password wants the password in full, it asks for
// the server's RSA key only because it is told to: allowPublicKeyRetrieval.

import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.sql.Connection;
import java.sql.DatabaseMetaData;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.ResultSetMetaData;
import java.sql.SQLException;
import java.sql.SQLWarning;
import java.sql.Savepoint;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import javax.sql.XAConnection;
import javax.transaction.xa.XAResource;
import javax.transaction.xa.Xid;
import org.mariadb.jdbc.MariaDbDataSource;

public class Scenario {
    static final PrintStream OUT = new PrintStream(System.out, false, StandardCharsets.UTF_8);

    record Login(String port, String user, String password, String database, String options) {
        String url() {
            return "jdbc:mariadb://127.0.0.1:" + port + "/" + database + "?allowPublicKeyRetrieval=true&" + options;
        }

        Session open() throws SQLException {
            return new Session(DriverManager.getConnection(url(), user, password));
        }
    }

    record Session(Connection conn) {
        void run(String sql, Object... values) {
            OUT.printf("> %.100s %s%n", sql, shown(values));
            try (Statement statement = values.length == 0 ? conn.createStatement() : prepare(sql)) {
                boolean rows;
                if (statement instanceof PreparedStatement prepared) {
                    for (int at = 0; at < values.length; at++) prepared.setObject(at + 1, values[at]);
                    rows = prepared.execute();
                } else {
                    rows = statement.execute(sql, Statement.RETURN_GENERATED_KEYS);
                }
                results(statement, rows);
            } catch (SQLException error) {
                OUT.println("  ERROR " + told(error));
            }
        }

        PreparedStatement prepare(String sql) throws SQLException {
            return conn.prepareStatement(sql, Statement.RETURN_GENERATED_KEYS);
        }

        void results(Statement statement, boolean rows) throws SQLException {
            for (int count = 0; rows || count != -1; rows = statement.getMoreResults()) {
                if (rows) {
                    print(statement.getResultSet());
                    count = 0;
                } else if ((count = statement.getUpdateCount()) != -1) {
                    OUT.println("  affected " + count);
                    print(statement.getGeneratedKeys());
                }
            }
            for (SQLWarning one = statement.getWarnings(); one != null; one = one.getNextWarning()) {
                OUT.println("  warning " + told(one));
            }
        }

        // As JDBC does it: autocommit off, until it is on again.
        void begin() throws SQLException {
            conn.setAutoCommit(false);
        }

        void commit() throws SQLException {
            conn.commit();
            conn.setAutoCommit(true);
        }

        void close() throws SQLException {
            conn.close();
        }
    }

    static void print(ResultSet rows) throws SQLException {
        ResultSetMetaData columns = rows.getMetaData();
        int width = columns.getColumnCount();
        for (int at = 1; at <= width; at++) {
            OUT.printf("  column %s %s %s %d %d %d%n", columns.getColumnLabel(at), columns.getColumnTypeName(at),
                columns.getColumnClassName(at), columns.getPrecision(at), columns.getScale(at), columns.isNullable(at));
        }
        while (rows.next()) {
            List<String> row = new ArrayList<>();
            for (int at = 1; at <= width; at++) row.add(cell(rows, at));
            OUT.println("  " + String.join(", ", row));
        }
    }

    static String cell(ResultSet rows, int at) {
        try {
            return shown(rows.getObject(at));
        } catch (SQLException error) {
            // What Java has no value for, such as a TIME of 838 hours.
            return told(error);
        }
    }

    static String shown(Object... values) {
        return String.join(", ", Arrays.stream(values).map(Scenario::one).toList());
    }

    // Big values by their length and digest.
    static String one(Object value) {
        if (value == null) return "null";
        String type = value.getClass().getSimpleName();
        byte[] bytes = value instanceof byte[] data ? data : value.toString().getBytes(StandardCharsets.UTF_8);
        if (bytes.length > 1000) return type + " of " + bytes.length + ": " + digest(bytes);
        return type + " " + (value instanceof byte[] ? HexFormat.of().formatHex(bytes) : value);
    }

    static String digest(byte[] bytes) {
        try {
            return HexFormat.of().formatHex(MessageDigest.getInstance("MD5").digest(bytes));
        } catch (java.security.NoSuchAlgorithmException missing) {
            throw new IllegalStateException(missing);
        }
    }

    // Without the connection's number and address, which the driver puts into its messages.
    static String told(SQLException error) {
        String message = String.valueOf(error.getMessage()).replaceAll("\\(conn=\\d+\\) |\\(port=\\d+\\)", "");
        return error.getErrorCode() + " " + error.getSQLState() + " " + message;
    }

    static Map<String, List<String>> lists(String path) throws Exception {
        Map<String, List<String>> found = new HashMap<>();
        List<String> list = null;
        for (String line : Files.readAllLines(Path.of(path))) {
            if (line.startsWith("[")) found.put(line.substring(1, line.length() - 1), list = new ArrayList<>());
            else if (!line.isEmpty() && !line.startsWith("#")) list.add(line);
        }
        return found;
    }

    static void parameters(Session session, List<String> statements) {
        for (String sql : statements) {
            session.run(sql, 1);
            session.run(sql, 2);
        }
        String insert = "INSERT INTO work (name, n) VALUES (?, ?)";
        session.run(insert, "text 😀 'quoted' \\ %s", -1);
        session.run(insert, "ünï", null);
        session.run(insert, "bytes".getBytes(StandardCharsets.UTF_8), 2147483647);
        session.run(insert, "wide", 1L << 40);
        session.run("SELECT id, name, n FROM work ORDER BY id");
        session.run("SELECT ?, ?, ?, ?", null, 1.25, "😀", new byte[] {0, -1, 39, 92});
        session.run("DELETE FROM work");
    }

    static void transactions(Session session, Session other) throws SQLException {
        String count = "SELECT COUNT(*) FROM work", add = "INSERT INTO work (name) VALUES ('%s')";
        session.begin();
        session.run(add.formatted("committed"));
        other.run(count);
        session.commit();
        other.run(count);
        session.begin();
        session.run(add.formatted("rolled back"));
        Savepoint savepoint = session.conn.setSavepoint("s");
        session.run(add.formatted("past the savepoint"));
        session.conn.rollback(savepoint);
        session.run(count);
        session.conn.rollback();
        session.run(count);
        session.run(add.formatted("without autocommit"));
        other.run(count);
        session.conn.rollback();
        session.run(add.formatted("kept"));
        // Switched on, it commits.
        session.conn.setAutoCommit(true);
        session.begin();
        session.run("SELECT name FROM work WHERE name = 'kept' FOR UPDATE");
        other.run("SELECT name FROM work WHERE name = 'kept' FOR UPDATE NOWAIT");
        // One that fails inside a transaction leaves the transaction open.
        session.run("SELECT * FROM missing");
        session.run(add.formatted("after the error"));
        session.commit();
        other.run("SELECT name FROM work ORDER BY name");
        other.conn.setReadOnly(true);
        other.run(add.formatted("never"));
        other.conn.setReadOnly(false);
        session.run("DELETE FROM work");
    }

    static void big(Session session) {
        String insert = "INSERT INTO big VALUES (?, ?, ?)";
        byte[] data = new byte[256 * 8000], less = new byte[300000];
        for (int at = 0; at < data.length; at++) data[at] = (byte) at;
        Arrays.fill(less, (byte) -1);
        session.run(insert, 1, "großer Text 😀 ".repeat(200000), data);
        session.run(insert, 2, "x".repeat(70000), less);
        session.run("SELECT id, LENGTH(t), SHA2(t, 256), SHA2(b, 256) FROM big ORDER BY id");
        session.run("SELECT * FROM big ORDER BY id");
        session.run("SELECT t FROM big WHERE id = ?", 1);
        // More rows than a buffer holds.
        session.run("SELECT a.id, REPEAT('r', 5000) FROM types a, types b, types c ORDER BY a.id, b.id, c.id");
    }

    static void ends(Login login) throws Exception {
        Login password = new Login(login.port, login.user, "wrong", login.database, login.options);
        Login database = new Login(login.port, login.user, login.password, "missing_database", login.options);
        for (Login wrong : List.of(password, database)) {
            try {
                wrong.open();
                OUT.println("logged in all the same");
            } catch (SQLException error) {
                OUT.println("wrong login: " + told(error));
            }
        }
        Session session = login.open();
        OUT.println("valid: " + session.conn.isValid(5));
        // Which error a dead connection gives depends on how far its end has come.
        try (Statement statement = session.conn.createStatement()) {
            statement.execute("KILL CONNECTION_ID()");
            statement.execute("SELECT 1");
            OUT.println("alive after KILL");
        } catch (SQLException error) {
            OUT.println("gone");
        }
        session.close();
        session = login.open();
        session.run("SELECT 'back'");
        session.run("SELECT 1; SELECT 2");
        more(session);
        cancelled(session.conn);
        session.close();
        distributed(login);
    }

    // What only this driver does.
    static void more(Session session) throws SQLException {
        Connection conn = session.conn;
        try (PreparedStatement batch = session.prepare("INSERT INTO work (name) VALUES (?)")) {
            for (int n = 0; n < 100; n++) {
                batch.setString(1, "row " + n);
                batch.addBatch();
            }
            OUT.println("batch: " + Arrays.toString(batch.executeBatch()));
        }
        session.run("SELECT COUNT(*), MIN(name), MAX(name) FROM work");
        try (Statement pieces = conn.createStatement()) {
            pieces.setFetchSize(3);
            ResultSet rows = pieces.executeQuery("SELECT a.id FROM types a, types b ORDER BY a.id, b.id");
            OUT.println("in pieces: " + rows.next() + " " + rows.getInt(1));
        }
        try (var call = conn.prepareCall("{call twice(?)}")) {
            call.setInt(1, 4);
            for (boolean rows = call.execute(); rows; rows = call.getMoreResults()) print(call.getResultSet());
        }
        print(conn.getMetaData().getColumns(conn.getCatalog(), null, "work", "%"));
        conn.setTransactionIsolation(Connection.TRANSACTION_SERIALIZABLE);
        OUT.println("isolation: " + conn.getTransactionIsolation());
        conn.setCatalog("information_schema");
        OUT.println("catalog: " + conn.getCatalog());
        session.run("SELECT DATABASE()");
    }

    // By KILL QUERY on a connection of its own, with the number that the greeting gave.
    static void cancelled(Connection conn) throws Exception {
        try (Statement statement = conn.createStatement()) {
            Thread killer = new Thread(() -> {
                try {
                    // One that comes before the statement does nothing.
                    while (true) {
                        Thread.sleep(50);
                        statement.cancel();
                    }
                } catch (SQLException | InterruptedException over) {
                    Thread.currentThread().interrupt();
                }
            });
            killer.start();
            try (ResultSet rows = statement.executeQuery("SELECT SLEEP(30)")) {
                print(rows);
            } catch (SQLException error) {
                OUT.println("cancelled: " + told(error));
            }
            killer.interrupt();
            killer.join();
        }
    }

    record Branch(byte[] global) implements Xid {
        public int getFormatId() {
            return 7;
        }

        public byte[] getGlobalTransactionId() {
            return global;
        }

        public byte[] getBranchQualifier() {
            return new byte[] {1};
        }
    }

    static void distributed(Login login) throws Exception {
        XAConnection conn = new MariaDbDataSource(login.url()).getXAConnection(login.user, login.password);
        Session session = new Session(conn.getConnection());
        Branch branch = new Branch(login.database.getBytes(StandardCharsets.UTF_8));
        XAResource resource = conn.getXAResource();
        resource.start(branch, XAResource.TMNOFLAGS);
        session.run("INSERT INTO work (name) VALUES ('in two phases')");
        resource.end(branch, XAResource.TMSUCCESS);
        OUT.println("prepared: " + (resource.prepare(branch) == XAResource.XA_OK));
        resource.commit(branch, false);
        session.run("SELECT name FROM work WHERE name LIKE 'in %'");
        session.close();
        conn.close();
    }

    static void play(Login login, Map<String, List<String>> statements) throws Exception {
        Session one = login.open();
        DatabaseMetaData server = one.conn.getMetaData();
        OUT.println(server.getDatabaseProductName() + " " + server.getDatabaseProductVersion());
        one.run("SELECT VERSION(), CURRENT_USER(), DATABASE(), @@autocommit, @@sql_mode, @@time_zone");
        one.run("SELECT @@character_set_client, @@character_set_results, @@collation_connection");
        for (String sql : statements.get("schema")) one.run(sql);
        for (String sql : statements.get("types")) one.run(sql);
        parameters(one, statements.get("prepared"));
        one.run("CALL twice(21)");
        Session two = login.open();
        transactions(one, two);
        for (int at = 0; at < statements.get("one").size(); at++) {
            one.run(statements.get("one").get(at));
            two.run(statements.get("two").get(at));
        }
        two.close();
        one.close();
        one = login.open();
        for (String sql : statements.get("errors")) {
            one.run(sql);
            one.run("SELECT 'alive'");
        }
        big(one);
        one.run("INSERT INTO texts VALUES (1, 'é utf8 😀', 'é utf8')");
        one.run("SELECT id, u, l, HEX(u), HEX(l) FROM texts");
        one.close();
        ends(login);
    }

    public static void main(String[] arguments) throws Exception {
        // Started with none, it shows that all that it needs is there.
        if (arguments.length == 0) return;
        Map<String, List<String>> statements = lists(arguments[0]);
        String[][] kinds = {
            {"text", "allowMultiQueries=true&useServerPrepStmts=false&rewriteBatchedStatements=true"},
            {"prepared", "allowMultiQueries=true&useServerPrepStmts=true"},
        };
        for (String target : Arrays.asList(arguments).subList(4, arguments.length)) {
            String name = target.split("=")[0], port = target.split("=")[1];
            for (String[] kind : kinds) {
                OUT.println("== target " + name + " " + kind[0]);
                play(new Login(port, arguments[1], arguments[2], arguments[3], kind[1]), statements);
                OUT.println("== end " + name);
            }
        }
        OUT.flush();
    }
}
