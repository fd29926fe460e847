//! Recorded payloads: MySQL 9.7.4 and MariaDB 10.11.19 with their own clients, user `app`, password `app-secret`, database `app`.

/// Bytes written as hexadecimal digits.
pub(super) fn hex(digits: &str) -> Vec<u8> {
    digits.as_bytes().chunks(2).map(|two| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap()).collect()
}

/// MySQL's greeting, then what `mysql` answered: the fast path was taken.
pub(super) const MYSQL_GREETING: &str = "0a392e372e342d32004500000022524d7601621d4d00ffffff0200ffdf15000000000000000000004c74333b1410470b5c121d080063616368696e675f736861325f70617373776f726400";
pub(super) const MYSQL_REQUEST: &str = "8da2bf1900000001ff00000000000000000000000000000000000000000000006170700020bc0cf895b219df2af6665cc448a8cb22c10361a0b8fd9590fdc4dd64918297246170700063616368696e675f736861325f70617373776f72640072045f706964053131353432095f706c6174666f726d067838365f3634035f6f73054c696e75780c5f636c69656e745f6e616d65086c69626d7973716c076f735f7573657204726f6f740f5f636c69656e745f76657273696f6e05392e372e340c70726f6772616d5f6e616d65056d7973716c";

/// MariaDB's greeting, then what `mariadb` answered.
pub(super) const MARIADB_GREETING: &str = "0a352e352e352d31302e31312e31392d4d6172696144422d302b64656231327531003c0000002635787d2c5e796300fef7080200ff81150000000000001d000000644d335840775834395f5670006d7973716c5f6e61746976655f70617373776f726400";
pub(super) const MARIADB_REQUEST: &str = "8ca2bf000000100021000000000000000000000000000000000000001d0000006170700014d5e0d1a6b6e935eaefde6b3e0a4a8ff4ddc0ae87617070006d7973716c5f6e61746976655f70617373776f7264007f035f6f73054c696e75780c5f636c69656e745f6e616d650a6c69626d617269616462045f7069640531313535340f5f636c69656e745f76657273696f6e06332e332e3230095f706c6174666f726d067838365f36340c70726f6772616d5f6e616d65056d7973716c0c5f7365727665725f686f7374093132372e302e302e31";

/// `mysql` asking for TLS.
pub(super) const SSL_REQUEST: &str = "8daabf1900000001ff0000000000000000000000000000000000000000000000";

/// The OK packet that both servers end such a login with.
pub(super) const OK: &str = "000000024000000006010403617070";

/// MySQL's answer to a request for its public key.
pub(super) const MYSQL_KEY: &[u8] = b"\x01-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAwEAbhMcLpjHUs6ksUl5z\np5G2M/3cU/3BfnWZxTqYdgJJGwGilUFW/32ext7YOmYGNPWjFVTdU1QroJTFo+qT\nrhj3rChthydDZQyHBnQBgusfeadJKVu0tY/KZZ3v75VCLWwIEE0kme63VbYkN0kV\nL/GQhNZ5oPbQSGO5eZu4xnWoSJ48GeRWgX7Q52p0XpASL4kPsZoqpuapxWSEmj+Y\n+c4vWieE0sA/gGBSgoGRMJlA/V1oZtpRxNfXCWXA5Zzd/TAR8EMSPP5Ze2pooGG6\nFgHdZwSP5pIfzsw5/BQuG8n5jUY9l9afLmqZkMTqOBn0a71ZWUw9amPnHWUhCXl3\njwIDAQAB\n-----END PUBLIC KEY-----\n";

/// What each server switched to when a client named a plugin that it does not know.
pub(super) const MYSQL_SWITCH: &[u8] = b"\xfecaching_sha2_password\x00r\x0ejuo\x1d2xfP3Nl(\x1fne\x14\x08g\x00";
pub(super) const MARIADB_SWITCH: &[u8] = b"\xfemysql_native_password\x009=c_1twyyvacN>*VT!G$\x00";

/// A `COM_CHANGE_USER` that both servers took (and challenged).
pub(super) const CHANGE_USER: &[u8] = b"\x11app\0\0app\0\x2d\0mysql_native_password\0";

/// MariaDB's switch for an account of `ed25519`, and its client library's answer, which it took.
pub(super) const ED25519_NONCE: &str = "ee597ea9a15d1ae63a2dea7ae648ee63558284a3a0402068938b03a376594c62";
pub(super) const ED25519_ANSWER: &str = "b8daa2584d38af842ba74849e59e14b463e44a34c48f78bbd122934cb408946ff2aaf5f7c3ada7c9c01c35b067f1063f787dae39a0270398a7964a795ea0400f";
/// What that account has for its password in `mysql.user`.
pub(super) const MARIADB_ED25519_KEY: &str = "8QmjrAPbWnupfqy028kKNr1sS9R5Mm/UctaYgXwd5bs";

/// What MariaDB's driver for Node (3.4.4) answered to these, for the same password.
pub(super) const PARSEC_NONCE: &str = "6465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f80818283";
pub(super) const PARSEC_SALT: &str = "5001000102030405060708090a0b0c0d0e0f1011";
pub(super) const PARSEC_ANSWER: &str = "889164ae6e536e0efade7f9201e2318ede7b1e698a2fa767e72f98f09bcfc9242ecf89bd2c48d80c4555234f44c55afa965cf099618e699cb772d6fd029a4205c3b38ebb31d85791d088b4354ba3a60c2f2bdd285d43456d1bd5d0864cd32905";

/// MySQL's switch for an account of `sha256_password`.
pub(super) const MYSQL_SHA256_SWITCH: &[u8] = b"\xfesha256_password\x00\x1d=\tz7'?G\ta\x1e\x01)ig`-f\x18'\x00";
/// MariaDB's switch for an account of `pam`, with `pam_use_cleartext_plugin`.
pub(super) const MARIADB_CLEAR_SWITCH: &[u8] = b"\xfemysql_clear_password\x00";
