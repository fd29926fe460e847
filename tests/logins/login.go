// Logs in once for each line of standard input, as login.py does, with go-sql-driver.
package main

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/go-sql-driver/mysql"
)

func value(channel, port, socket, user, password, authority string) (string, error) {
	config := mysql.NewConfig()
	config.User, config.Passwd = user, password
	config.Net, config.Addr = "tcp", "127.0.0.1:"+port
	config.AllowCleartextPasswords = channel != "TCP"
	switch channel {
	case "Unix socket":
		config.Net, config.Addr = "unix", socket
	case "TLS":
		pem, err := os.ReadFile(authority)
		if err != nil {
			return "", err
		}
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(pem)
		if err := mysql.RegisterTLSConfig("verified", &tls.Config{RootCAs: pool, ServerName: "127.0.0.1"}); err != nil {
			return "", err
		}
		config.TLSConfig = "verified"
	}
	db, err := sql.Open("mysql", config.FormatDSN())
	if err != nil {
		return "", err
	}
	defer db.Close()
	var found string
	err = db.QueryRow("SELECT 40 + 2").Scan(&found)
	return found, err
}

func main() {
	mysql.SetLogger(quiet{})
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		field := strings.Split(lines.Text(), "\t")
		found, err := value(field[0], field[1], field[2], field[3], field[4], field[5])
		var refused *mysql.MySQLError
		switch {
		case errors.As(err, &refused):
			fmt.Println("!", refused.Number, refused.Message)
		case err != nil:
			fmt.Println("!", 0, strings.ReplaceAll(err.Error(), "\n", " "))
		default:
			fmt.Println("=", found)
		}
	}
}

// What the driver would write to standard error beside what it returns.
type quiet struct{}

func (quiet) Print(...interface{}) {}
