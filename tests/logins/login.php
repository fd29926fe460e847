<?php
// Logs in once for each line of standard input, as login.py does, with mysqli.
mysqli_report(MYSQLI_REPORT_ERROR | MYSQLI_REPORT_STRICT);

function value(array $login): string
{
    [$channel, $port, $socket, $user, $password, $authority] = $login;
    $conn = mysqli_init();
    $flags = 0;
    if ($channel === 'TLS') {
        $conn->options(MYSQLI_OPT_SSL_VERIFY_SERVER_CERT, true);
        $conn->ssl_set(null, null, $authority, null, null);
        $flags = MYSQLI_CLIENT_SSL;
    }
    $by_socket = $channel === 'Unix socket';
    // It warns beside what it throws.
    @$conn->real_connect($by_socket ? 'localhost' : '127.0.0.1', $user, $password, null, (int) $port, $by_socket ? $socket : null, $flags);
    $value = $conn->query('SELECT 40 + 2')->fetch_row()[0];
    $conn->close();
    return $value;
}

while (($line = fgets(STDIN)) !== false) {
    try {
        $told = '= ' . value(explode("\t", rtrim($line, "\n")));
    } catch (mysqli_sql_exception $error) {
        $told = '! ' . $error->getCode() . ' ' . str_replace("\n", ' ', $error->getMessage());
    }
    echo $told, "\n";
}
