// MariaDB Connector/J at the console: java -cp mariadb-java-client.jar Console.java PORT USER PASSWORD

import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.Statement;

public class Console {
    public static void main(String[] arguments) throws Exception {
        String url = "jdbc:mariadb://127.0.0.1:" + arguments[0] + "/greenroom?allowPublicKeyRetrieval=true";
        try (Connection connection = DriverManager.getConnection(url, arguments[1], arguments[2]);
                Statement statement = connection.createStatement()) {
            if (!connection.isValid(2)) throw new IllegalStateException("it is not valid");
            ResultSet rows = statement.executeQuery("SHOW NODES WHERE name = 'db1'");
            if (!rows.next() || rows.getLong("max_connections") != 10) throw new IllegalStateException("no node");
            // What tools look at: tables and their columns.
            if (!connection.getCatalog().equals("greenroom")) throw new IllegalStateException(connection.getCatalog());
            statement.executeQuery("SELECT * FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'greenroom'");
            statement.execute("RESUME");
        }
        System.out.println("connector/j");
    }
}
