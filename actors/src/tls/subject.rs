//! Whose a certificate is, in the words of MySQL's `REQUIRE SUBJECT`: `/C=SE/O=Example/CN=app`.

use std::fmt::Write;

use rustls::pki_types::CertificateDer;
use x509_parser::prelude::{FromDer, X509Certificate};

/// What OpenSSL writes for the parts of a name (`openssl x509 -subject -nameopt compat`); others by their number.
const SHORT: [(&str, &str); 13] = [
    ("2.5.4.3", "CN"),
    ("2.5.4.4", "SN"),
    ("2.5.4.5", "serialNumber"),
    ("2.5.4.6", "C"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "ST"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
    ("2.5.4.12", "title"),
    ("2.5.4.42", "GN"),
    ("0.9.2342.19200300.100.1.1", "UID"),
    ("0.9.2342.19200300.100.1.25", "DC"),
    ("1.2.840.113549.1.9.1", "emailAddress"),
];

/// The subject of a certificate; `None` where it is not text.
pub(crate) fn subject(certificate: &CertificateDer<'_>) -> Option<String> {
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    let mut text = String::new();
    for part in certificate.subject().iter_attributes() {
        let number = part.attr_type().to_id_string();
        let name = SHORT.iter().find(|(known, _)| *known == number).map_or(&*number, |(_, name)| name);
        // A slash within a value must not begin another part: nobody could be told from whom he imitates.
        let value = part.as_str().ok()?.replace('\\', "\\\\").replace('/', "\\/");
        write!(text, "/{name}={value}").ok()?;
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};

    use super::subject;

    #[test]
    fn a_subject_is_written_as_openssl_does_and_no_value_imitates_a_part() {
        let named = |parts: &[(DnType, &str)]| {
            let mut params = CertificateParams::new(Vec::new()).unwrap();
            params.distinguished_name = DistinguishedName::new();
            parts.iter().for_each(|(kind, value)| params.distinguished_name.push(kind.clone(), *value));
            subject(params.self_signed(&KeyPair::generate().unwrap()).unwrap().der()).unwrap()
        };
        let parts = [
            (DnType::CountryName, "SE"),
            (DnType::OrganizationName, "Exämple"),
            (DnType::CommonName, "app"),
            (DnType::CustomDnType(vec![1, 2, 840, 113_549, 1, 9, 1]), "a@example.org"),
            (DnType::CustomDnType(vec![1, 2, 3]), "x"),
        ];
        assert_eq!(named(&parts), "/C=SE/O=Exämple/CN=app/emailAddress=a@example.org/1.2.3=x");
        assert_eq!(named(&[(DnType::CommonName, "app/O=Example\\")]), "/CN=app\\/O=Example\\\\");
        assert_eq!(named(&[]), "");
    }
}
