//! Reading a statement's text.

use std::hint::black_box;

use greenroom_protocol::sql::shape::normalise;
use greenroom_protocol::sql::{Doubt, Flavor, Mode, classify};

use crate::Part;

pub(crate) const POINT_SELECT: &[u8] = b"SELECT c FROM sbtest1 WHERE id=5042";

/// Of 100 bytes.
const HUNDRED: &[u8; 100] =
    b"SELECT id, name, email FROM customers WHERE region_id = 7 AND status = 'active' ORDER BY id LIMIT 50";

/// As Django, Hibernate, SQLAlchemy and ActiveRecord write them.
const BY_FRAMEWORKS: [(&str, &[u8]); 6] = [
    (
        "sql/django-select",
        b"SELECT `auth_user`.`id`, `auth_user`.`password`, `auth_user`.`last_login`, `auth_user`.`is_superuser`, \
        `auth_user`.`username`, `auth_user`.`first_name`, `auth_user`.`last_name`, `auth_user`.`email`, \
        `auth_user`.`is_staff`, `auth_user`.`is_active`, `auth_user`.`date_joined` FROM `auth_user` \
        WHERE `auth_user`.`id` = 42 LIMIT 21",
    ),
    (
        "sql/hibernate-join",
        b"select o1_0.id,o1_0.created_at,o1_0.customer_id,c1_0.id,c1_0.email,c1_0.name,o1_0.status,o1_0.total,\
        o1_0.version from orders o1_0 left join customers c1_0 on c1_0.id=o1_0.customer_id where o1_0.status=? and \
        o1_0.created_at>=? order by o1_0.created_at desc limit ?",
    ),
    (
        "sql/sqlalchemy-insert",
        b"INSERT INTO orders (customer_id, status, total, created_at) VALUES (42, 'new', 129.95, '2026-01-31 12:00:00')",
    ),
    (
        "sql/activerecord-update",
        b"UPDATE `posts` SET `posts`.`title` = 'It''s a title', `posts`.`updated_at` = '2026-01-31 12:00:00.123456' \
        WHERE `posts`.`id` = 17 /*application:Blog,controller:posts,action:update*/",
    ),
    ("sql/aggregate", b"SELECT COUNT(*), COALESCE(SUM(total), 0) FROM orders WHERE customer_id = 42 AND NOT cancelled"),
    ("sql/commit", b"COMMIT"),
];

pub(crate) fn mode() -> Mode {
    Mode::new(Flavor::MySql, 90_704)
}

/// An INSERT of 10 KB: rows of numbers and short strings, as many as fit.
fn many_rows() -> Vec<u8> {
    let mut text = b"INSERT INTO events (id, kind, amount, at, note) VALUES ".to_vec();
    for row in 0.. {
        let values =
            format!("({row}, 'click', {}.5, '2026-01-31 12:00:{:02}', 'note of event {row}'), ", row * 7, row % 60);
        if text.len() + values.len() > 10_240 {
            break;
        }
        text.extend_from_slice(values.as_bytes());
    }
    text.truncate(text.len() - 2);
    text
}

/// An INSERT of 10 KB, nearly all of it one string.
fn one_text() -> Vec<u8> {
    let words = "All the world is a stage, and all the men and women merely players. ".repeat(150);
    format!("INSERT INTO pages (id, body) VALUES (1, '{}')", &words[..10_000]).into_bytes()
}

pub(crate) fn parts() -> Vec<Part> {
    let fixed = [("sql/point-select", POINT_SELECT), ("sql/100-bytes", HUNDRED)].into_iter().chain(BY_FRAMEWORKS);
    let long = [("sql/insert-10k-rows", many_rows()), ("sql/insert-10k-text", one_text())];
    let texts = fixed.map(|(name, text)| (name, text.to_vec())).chain(long);
    let read = texts.map(|(name, text)| Part::new(name, move || Some(classify(black_box(&text), black_box(mode())))));
    read.chain(shapes()).collect()
}

/// What counting a statement takes before it is looked up.
fn shapes() -> impl Iterator<Item = Part> {
    let texts = [
        ("shape/point-select", POINT_SELECT.to_vec()),
        ("shape/100-bytes", HUNDRED.to_vec()),
        ("shape/insert-10k-rows", many_rows()),
    ];
    texts.into_iter().map(|(name, text)| {
        let mut room = Vec::new();
        let mut write = move |text: &[u8]| normalise(text, black_box(mode()), Doubt::default(), &mut room);
        Part::new(name, move || write(black_box(&text)).then_some(()))
    })
}
