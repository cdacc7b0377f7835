//! The schema, as the steps that lead to it: each is a transaction, and the number of the last is in the file.

use rusqlite::{Connection, TransactionBehavior};

use super::Failure;
use crate::store::StoreError;

/// Marks the file as ours (`TTSm`), so that the database of another program is never written to.
const APPLICATION_ID: i64 = 0x5454_536d;

/// The steps; schema version n is what the first n of them make. One that was released is never changed.
pub(super) const MIGRATIONS: &[&str] = &[include_str!("schema/1.sql")];

/// Applies the steps of `steps` that were not applied yet.
pub(super) fn migrate(connection: &mut Connection, steps: &[&str]) -> Result<(), Failure> {
    let known = i64::try_from(steps.len()).unwrap_or(i64::MAX);
    let pragma = |connection: &Connection, name: &str| {
        connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0))
    };
    let found = pragma(connection, "user_version")?;
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    let application = pragma(connection, "application_id")?;
    if application != APPLICATION_ID && (tables > 0 || found != 0 || application != 0) {
        return Err(StoreError::Corrupt("the file is the database of another program".into()).into());
    }
    if found > known {
        return Err(StoreError::Newer { found, known }.into());
    }
    for (version, step) in (1_i64..).zip(steps).filter(|(version, _)| *version > found) {
        // A step that fails is taken back by dropping the transaction, its number too.
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute_batch(step)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", version)?;
        transaction.commit()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(connection: &Connection) -> i64 {
        connection.pragma_query_value(None, "user_version", |row| row.get(0)).unwrap()
    }

    fn tables(connection: &Connection) -> Vec<String> {
        let mut statement =
            connection.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name").unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
    }

    fn refusal(result: Result<(), Failure>) -> String {
        match result {
            Ok(()) => "nothing".into(),
            Err(Failure::Database(error)) => error.to_string(),
            Err(Failure::Rule(error)) => error.to_string(),
        }
    }

    #[test]
    fn steps_are_applied_once_and_in_order() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection, &["CREATE TABLE a (x)"]).ok().unwrap();
        assert_eq!((version(&connection), tables(&connection)), (1, vec!["a".to_owned()]));
        let steps = ["CREATE TABLE a (x)", "INSERT INTO a VALUES (1); CREATE TABLE b (x)"];
        for _ in 0..2 {
            migrate(&mut connection, &steps).ok().unwrap();
        }
        assert_eq!(version(&connection), 2);
        let rows: i64 = connection.query_row("SELECT count(*) FROM a", [], |row| row.get(0)).unwrap();
        assert_eq!(rows, 1);
    }

    #[test]
    fn a_step_that_fails_half_way_leaves_nothing() {
        let mut connection = Connection::open_in_memory().unwrap();
        let broken =
            ["CREATE TABLE a (x)", "CREATE TABLE b (x); INSERT INTO a VALUES (1); CREATE TABLE a (x)"];
        let error = refusal(migrate(&mut connection, &broken));
        assert!(error.contains("already exists"), "{error}");
        assert_eq!((version(&connection), tables(&connection)), (1, vec!["a".to_owned()]));
        let rows: i64 = connection.query_row("SELECT count(*) FROM a", [], |row| row.get(0)).unwrap();
        assert_eq!(rows, 0);
        migrate(&mut connection, &["CREATE TABLE a (x)", "CREATE TABLE b (x)"]).ok().unwrap();
        assert_eq!(version(&connection), 2);
    }

    #[test]
    fn a_newer_schema_is_refused_untouched() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection, &["CREATE TABLE a (x)", "CREATE TABLE b (x)"]).ok().unwrap();
        let error = refusal(migrate(&mut connection, &["CREATE TABLE a (x)"]));
        assert!(error.contains("schema version 2, this program knows 1"), "{error}");
        assert_eq!((version(&connection), tables(&connection).len()), (2, 2));
    }

    #[test]
    fn the_database_of_another_program_is_refused_untouched() {
        let mut connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE bookmarks (x)").unwrap();
        let error = refusal(migrate(&mut connection, MIGRATIONS));
        assert!(error.contains("another program"), "{error}");
        assert_eq!(tables(&connection), ["bookmarks"]);
    }

    #[test]
    fn the_schema_is_sound() {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection, MIGRATIONS).ok().unwrap();
        let names = tables(&connection);
        for table in
            ["meta", "entities", "revisions", "changes", "users", "tokens", "sessions", "audit", "deliveries"]
        {
            assert!(names.iter().any(|name| name == table), "{table}");
        }
    }
}
