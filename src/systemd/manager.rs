//! What the service manager says about units.
//!
//! <https://www.freedesktop.org/software/systemd/man/latest/org.freedesktop.systemd1.html>

use zbus::{Connection, OwnedObjectPath, Result, proxy, proxy::CacheProperties};

#[proxy(
    interface = "org.freedesktop.systemd1.Manager",
    default_service = "org.freedesktop.systemd1",
    default_path = "/org/freedesktop/systemd1"
)]
trait Manager {
    fn get_unit(&self, name: &str) -> Result<OwnedObjectPath>;
}

#[proxy(interface = "org.freedesktop.systemd1.Unit", default_service = "org.freedesktop.systemd1")]
trait Unit {
    /// What is being done with it: number and object, or 0 and "/".
    #[zbus(property)]
    fn job(&self) -> Result<(u32, OwnedObjectPath)>;
}

#[proxy(interface = "org.freedesktop.systemd1.Job", default_service = "org.freedesktop.systemd1")]
trait Job {
    #[zbus(property)]
    fn job_type(&self) -> Result<String>;
}

/// Whether this unit is on its way down in order to come up again.
///
/// # Errors
/// There is no systemd on this bus, or it does not know the unit.
pub async fn is_restarting(connection: &Connection, unit: &str) -> Result<bool> {
    let manager = ManagerProxy::builder(connection).cache_properties(CacheProperties::No).build();
    let unit = manager.await?.get_unit(unit).await?;
    let unit = UnitProxy::builder(connection).path(unit).cache_properties(CacheProperties::No);
    let (number, job) = unit.build().await?.job().await?;
    if number == 0 {
        return Ok(false);
    }
    let job = JobProxy::builder(connection).path(job).cache_properties(CacheProperties::No);
    Ok(matches!(&*job.build().await?.job_type().await?, "restart" | "try-restart"))
}
