//! Secrets that were sealed before `SECRET_KEY` changed are sealed anew, so that the former one can go.

use std::time::Duration;

use service_runtime::lifecycle::Tasks;
use uuid::Uuid;

use super::Factors;
use crate::domain::error::Error;

/// How often secrets are looked for that are sealed under a former key.
const RESEAL: Duration = Duration::from_secs(600);
/// How many are looked at by one statement.
const RESEALED_AT_ONCE: i64 = 500;

impl Factors {
    /// Seals secrets under the current key that are sealed under a former one, as long as there is one, until asked to
    /// stop. Replicas that were not restarted yet may still seal under it, so it is done again and again.
    pub async fn reseal(self, tasks: Tasks) {
        while self.sealing.has_former() {
            match self.reseal_all().await {
                Ok(0) => {}
                Ok(resealed) => {
                    tracing::info!(resealed, "second factors are sealed under the new SECRET_KEY")
                }
                Err(error) => {
                    tracing::warn!(%error, "second factors could not be sealed anew; it is tried again");
                }
            }
            if !tasks.sleep(RESEAL).await {
                return;
            }
        }
    }

    async fn reseal_all(&self) -> Result<usize, Error> {
        let (mut resealed, mut after) = (0, Uuid::nil());
        loop {
            let some = self.store.sealed_factors(after, RESEALED_AT_ONCE).await?;
            let Some((last, _)) = some.last() else {
                return Ok(resealed);
            };
            after = *last;
            for (user_id, sealed) in some {
                let Ok(opened) = self.sealing.open(user_id.as_bytes(), &sealed) else {
                    tracing::error!(%user_id, "SECRET_KEY does not open this second factor");
                    continue;
                };
                if !opened.is_current {
                    let renewed = self.sealing.seal(user_id.as_bytes(), opened.secret.expose())?;
                    resealed += usize::from(self.store.reseal_factor(user_id, &sealed, &renewed).await?);
                }
            }
        }
    }
}
