// Logs in once for each line of standard input, as login.py does, with MariaDB's driver for Java.
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.Properties;

public class Login {
    public static void main(String[] arguments) throws Exception {
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            try {
                System.out.println("= " + value(line.split("\t", -1)));
            } catch (SQLException error) {
                System.out.println("! " + error.getErrorCode() + " " + error.getMessage().replace('\n', ' '));
            }
        }
    }

    private static int value(String[] login) throws SQLException {
        Properties properties = new Properties();
        properties.setProperty("user", login[3]);
        properties.setProperty("password", login[4]);
        properties.setProperty("allowPublicKeyRetrieval", "true");
        // What it sends ahead of the login's end it gives half a second, which is not much on a busy machine.
        properties.setProperty("usePipelineAuth", "false");
        if (login[0].equals("TLS")) {
            properties.setProperty("useSsl", "true");
            properties.setProperty("serverSslCert", login[5]);
        }
        try (Connection connection = DriverManager.getConnection("jdbc:mariadb://127.0.0.1:" + login[1] + "/", properties);
                Statement statement = connection.createStatement();
                ResultSet rows = statement.executeQuery("SELECT 40 + 2")) {
            rows.next();
            return rows.getInt(1);
        }
    }
}
