//! The queue and the log of webhooks in the database.

use async_trait::async_trait;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{Failure, SqliteStore, int, uint};
use crate::accounts::audit::cut;
use crate::store::StoreError;
use crate::store::deliveries::{
    AfterAttempt, Attempt, Delivery, DeliveryState, DeliveryStore, MAX_DELIVERIES_PER_WEBHOOK,
    MAX_DELIVERY_BODY_BYTES, MAX_DELIVERY_ERROR_BYTES, MAX_DELIVERY_PAGE, NewDelivery,
};

const DELIVERY: &str =
    "id, webhook, event_id, kind, body, at_unix_ms, state, attempts, next_unix_ms, last_status,
    last_error, tried_unix_ms";

#[async_trait]
impl DeliveryStore for SqliteStore {
    async fn enqueue(&self, deliveries: Vec<NewDelivery>) -> Result<Vec<u64>, StoreError> {
        self.write(move |database| {
            let ids = deliveries
                .iter()
                .map(|delivery| insert(database, delivery, delivery.at_unix_ms))
                .collect::<Result<_, _>>()?;
            let mut webhooks: Vec<&str> =
                deliveries.iter().map(|delivery| delivery.webhook.as_str()).collect();
            webhooks.sort_unstable();
            webhooks.dedup();
            for webhook in webhooks {
                forget(database, webhook)?;
            }
            Ok(ids)
        })
        .await
    }

    async fn due(&self, webhook: &str, now_unix_ms: u64, limit: u32) -> Result<Vec<Delivery>, StoreError> {
        let webhook = webhook.to_owned();
        self.read(move |database| {
            let mut statement = database.prepare_cached(&format!(
                "SELECT {DELIVERY} FROM deliveries WHERE state = 'waiting' AND webhook = ?1 AND next_unix_ms <= ?2
                 ORDER BY next_unix_ms, id LIMIT ?3"
            ))?;
            let values = params![webhook, int(now_unix_ms), limit.min(MAX_DELIVERY_PAGE)];
            let rows = statement.query_map(values, delivery)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }

    async fn next_due(&self) -> Result<Option<u64>, StoreError> {
        self.read(|database| {
            let next: Option<i64> = database.query_row(
                "SELECT min(next_unix_ms) FROM deliveries WHERE state = 'waiting'",
                [],
                |row| row.get(0),
            )?;
            Ok(next.map(uint))
        })
        .await
    }

    async fn note_attempt(&self, id: u64, attempt: Attempt) -> Result<(), StoreError> {
        self.write(move |database| {
            let Attempt { at_unix_ms, status, mut error, then } = attempt;
            if let Some(error) = &mut error {
                cut(error, MAX_DELIVERY_ERROR_BYTES);
            }
            let (state, next) = match then {
                AfterAttempt::Delivered => (DeliveryState::Delivered, at_unix_ms),
                AfterAttempt::Retry(next) => (DeliveryState::Waiting, next),
                AfterAttempt::GiveUp => (DeliveryState::Failed, at_unix_ms),
            };
            let noted = database.execute(
                "UPDATE deliveries SET state = ?2, attempts = attempts + 1, next_unix_ms = ?3, last_status = ?4,
                 last_error = ?5, tried_unix_ms = ?6 WHERE id = ?1",
                params![int(id), state.as_str(), int(next), status, error, int(at_unix_ms)],
            )?;
            if noted == 0 { Err(missing(id).into()) } else { Ok(()) }
        })
        .await
    }

    async fn deliveries(
        &self,
        webhook: Option<&str>,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Vec<Delivery>, StoreError> {
        let webhook = webhook.map(str::to_owned);
        self.read(move |database| {
            let one = if webhook.is_some() { "webhook = ?1" } else { "?1 IS NULL" };
            let mut statement = database.prepare_cached(&format!(
                "SELECT {DELIVERY} FROM deliveries WHERE {one} AND id < ?2 ORDER BY id DESC LIMIT ?3"
            ))?;
            let values = params![webhook, before.map_or(i64::MAX, int), limit.min(MAX_DELIVERY_PAGE)];
            let rows = statement.query_map(values, delivery)?;
            Ok(rows.collect::<Result<_, _>>()?)
        })
        .await
    }

    async fn delivery(&self, id: u64) -> Result<Option<Delivery>, StoreError> {
        self.read(move |database| find(database, id)).await
    }

    async fn redeliver(&self, id: u64, now_unix_ms: u64) -> Result<u64, StoreError> {
        self.write(move |database| {
            let Delivery { webhook, event_id, kind, body, at_unix_ms, .. } =
                find(database, id)?.ok_or_else(|| missing(id))?;
            let again = NewDelivery { webhook, event_id, kind, body, at_unix_ms };
            let id = insert(database, &again, now_unix_ms)?;
            forget(database, &again.webhook)?;
            Ok(id)
        })
        .await
    }

    async fn forget_webhook(&self, webhook: &str) -> Result<u64, StoreError> {
        let webhook = webhook.to_owned();
        self.write(move |database| {
            Ok(database.execute("DELETE FROM deliveries WHERE webhook = ?1", [webhook])? as u64)
        })
        .await
    }
}

fn missing(id: u64) -> StoreError {
    StoreError::Missing { what: "delivery", name: id.to_string() }
}

fn find(database: &Connection, id: u64) -> Result<Option<Delivery>, Failure> {
    let mut statement =
        database.prepare_cached(&format!("SELECT {DELIVERY} FROM deliveries WHERE id = ?1"))?;
    Ok(statement.query_row([int(id)], delivery).optional()?)
}

fn insert(database: &Connection, new: &NewDelivery, next_unix_ms: u64) -> Result<u64, Failure> {
    if new.body.len() > MAX_DELIVERY_BODY_BYTES {
        let len = new.body.len();
        let message = format!("a body of {len} bytes: at most {MAX_DELIVERY_BODY_BYTES} are kept");
        return Err(StoreError::Failed(message).into());
    }
    database
        .prepare_cached(
            "INSERT INTO deliveries (webhook, event_id, kind, body, at_unix_ms, state, attempts, next_unix_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0, ?7)",
        )?
        .execute(params![
            new.webhook,
            new.event_id,
            new.kind,
            new.body,
            int(new.at_unix_ms),
            DeliveryState::Waiting.as_str(),
            int(next_unix_ms)
        ])?;
    Ok(uint(database.last_insert_rowid()))
}

/// Drops what is past [`MAX_DELIVERIES_PER_WEBHOOK`].
fn forget(database: &Connection, webhook: &str) -> Result<(), Failure> {
    let count: i64 = database
        .prepare_cached("SELECT count(*) FROM deliveries WHERE webhook = ?1")?
        .query_row([webhook], |row| row.get(0))?;
    let excess = uint(count).saturating_sub(MAX_DELIVERIES_PER_WEBHOOK);
    if excess > 0 {
        database
            .prepare_cached(
                "DELETE FROM deliveries WHERE id IN (SELECT id FROM deliveries WHERE webhook = ?1
                 ORDER BY state = 'waiting', id LIMIT ?2)",
            )?
            .execute(params![webhook, int(excess)])?;
    }
    Ok(())
}

fn delivery(row: &Row<'_>) -> rusqlite::Result<Delivery> {
    let state: String = row.get(6)?;
    let unknown = || {
        let what = format!("`{state}` is not known");
        rusqlite::Error::FromSqlConversionFailure(6, rusqlite::types::Type::Text, what.into())
    };
    Ok(Delivery {
        id: uint(row.get(0)?),
        webhook: row.get(1)?,
        event_id: row.get(2)?,
        kind: row.get(3)?,
        body: row.get(4)?,
        at_unix_ms: uint(row.get(5)?),
        state: DeliveryState::from_name(&state).ok_or_else(unknown)?,
        attempts: row.get(7)?,
        next_unix_ms: uint(row.get(8)?),
        last_status: row.get(9)?,
        last_error: row.get(10)?,
        tried_unix_ms: row.get::<_, Option<i64>>(11)?.map(uint),
    })
}
