//! Every SQL statement of the store, so that one test can look at the plan of each.

macro_rules! statements {
    ($($name:ident = $sql:expr;)*) => {
        $(pub(super) const $name: &str = $sql;)*
        #[cfg(test)]
        const ALL: &[(&str, &str)] = &[$((stringify!($name), $sql)),*];
    };
}

/// The columns of `rows::user`, in its order.
macro_rules! user {
    () => {
        "users.id, users.email, users.name, users.password_hash, users.picture, users.bio, users.created_at, users.updated_at, users.sessions_ended_through"
    };
}

/// The columns of `rows::message`, in its order.
macro_rules! message {
    () => {
        "messages.id, messages.conversation, messages.sender, messages.text, messages.picture, messages.created_at, messages.client_id"
    };
}

statements! {
    INSERT_USER = "INSERT INTO users (id, email, name, password_hash, picture, bio, created_at, updated_at)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
    EMAIL_IS_TAKEN = "SELECT 1 FROM users WHERE email = ?1";
    USER_ID_IS_TAKEN = "SELECT 1 FROM users WHERE id = ?1";
    USER = concat!("SELECT ", user!(), " FROM users WHERE id = ?1");
    USER_BY_EMAIL = concat!("SELECT ", user!(), " FROM users WHERE email = ?1");
    ACCOUNT = "SELECT sessions_ended_through FROM users WHERE id = ?1";
    END_SESSIONS = "UPDATE users SET sessions_ended_through = max(coalesce(sessions_ended_through, 0), ?2) WHERE id = ?1";
    SET_PICTURE = concat!("UPDATE users SET picture = ?2, updated_at = ?3 WHERE id = ?1 RETURNING ", user!());
    REPLACE_PASSWORD_HASH = "UPDATE users SET password_hash = ?3 WHERE id = ?1 AND password_hash = ?2";
    OLDEST_PASSWORD_HASHES = "SELECT password_hash FROM users WHERE seq >= 0 ORDER BY seq LIMIT ?1";
    NEWEST_PASSWORD_HASHES = "SELECT password_hash FROM users WHERE seq >= 0 ORDER BY seq DESC LIMIT ?1";
    SEQ_OF_USER = "SELECT seq FROM users WHERE id = ?1";
    PEOPLE = concat!(
        "SELECT ", user!(), " FROM users WHERE seq > ?1 AND id <> ?2 ORDER BY seq LIMIT ?3"
    );
    PARTNERS = concat!(
        "SELECT ", user!(), " FROM partners JOIN users ON users.id = partners.partner WHERE partners.user = ?1
         ORDER BY partners.latest_at DESC, partners.log_partition DESC, partners.log_offset DESC LIMIT ?2"
    );

    INSERT_MESSAGE = "INSERT INTO messages (id, conversation, log_partition, log_offset, sender, text, picture,
                                            created_at, client_id, members, origin_device)
                      VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) ON CONFLICT (id) DO NOTHING";
    INSERT_INBOX = "INSERT INTO inbox (user, log_partition, log_offset, message) VALUES (?1, ?2, ?3, ?4)
                    ON CONFLICT DO NOTHING";
    MEET = "INSERT INTO partners (user, partner, latest_at, log_partition, log_offset) VALUES (?1, ?2, ?3, ?4, ?5)
            ON CONFLICT (user, partner) DO UPDATE
            SET latest_at = excluded.latest_at, log_partition = excluded.log_partition, log_offset = excluded.log_offset
            WHERE (excluded.latest_at, excluded.log_partition, excluded.log_offset)
                  > (latest_at, partners.log_partition, partners.log_offset)";
    ADVANCE = "INSERT INTO stored (log_partition, log_offset) VALUES (?1, ?2)
               ON CONFLICT (log_partition) DO UPDATE SET log_offset = max(log_offset, excluded.log_offset)";
    STORED = "SELECT log_partition, log_offset FROM stored WHERE log_partition >= 0 ORDER BY log_partition";
    MESSAGE = concat!("SELECT ", message!(), " FROM messages WHERE id = ?1");
    HISTORY = concat!(
        "SELECT ", message!(), " FROM messages WHERE conversation = ?1
         ORDER BY log_partition DESC, log_offset DESC, seq DESC LIMIT ?2"
    );
    HISTORY_BEFORE = concat!(
        "SELECT ", message!(), " FROM messages
         WHERE conversation = ?1 AND (log_partition, log_offset, seq)
               < (SELECT log_partition, log_offset, seq FROM messages WHERE id = ?3 AND conversation = ?1)
         ORDER BY log_partition DESC, log_offset DESC, seq DESC LIMIT ?2"
    );
    INBOX = concat!(
        "SELECT ", message!(), ", messages.members, messages.origin_device, messages.log_partition, messages.log_offset
         FROM inbox JOIN messages ON messages.seq = inbox.message
         WHERE inbox.user = ?1 AND inbox.log_partition = ?2 AND inbox.log_offset > ?3
         ORDER BY inbox.log_offset, inbox.message LIMIT ?4"
    );

    GROUP_MEMBERS = "SELECT user FROM group_members WHERE group_id = ?1 ORDER BY user";

    END_SESSION = "INSERT INTO ended_sessions (id, until) VALUES (?1, ?2)
                   ON CONFLICT (id) DO UPDATE SET until = max(until, excluded.until)";
    FORGET_SESSIONS = "DELETE FROM ended_sessions WHERE id IN
                       (SELECT id FROM ended_sessions WHERE until < ?1 ORDER BY until LIMIT ?2)";
    SESSION_ENDED = "SELECT 1 FROM ended_sessions WHERE id = ?1";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_statement_reads_a_whole_table_or_sorts_one() {
        let connection = rusqlite::Connection::open_in_memory().unwrap();
        super::super::schema::MIGRATIONS.iter().for_each(|sql| connection.execute_batch(sql).unwrap());
        for (name, sql) in ALL {
            let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            for nth in 1..=statement.parameter_count() {
                statement.raw_bind_parameter(nth, 1).unwrap();
            }
            let mut rows = statement.raw_query();
            while let Some(row) = rows.next().unwrap() {
                let step: String = row.get(3).unwrap();
                assert!(!step.starts_with("SCAN"), "{name}: {step}");
                // One person's partners are sorted when asked for: an index in that order cost a third of what storing
                // messages does.
                assert!(*name == "PARTNERS" || !step.contains("TEMP B-TREE"), "{name}: {step}");
            }
        }
    }
}
