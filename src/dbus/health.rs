//! `org.dashboardcast1.Health`.

use std::{collections::HashMap, sync::Arc};

use serde::Serialize;
use serde_json::Value;
use zbus::{Connection, OwnedVariant, interface, message::Header};

use super::{
    authorize::Action, edge::Edge, error::Error, names::text, object::Object, options::dictionary,
};
use crate::control::{Core, HealthReport};

/// Whether the service can do its work.
#[derive(Debug)]
pub(super) struct Health<C> {
    edge: Edge<C>,
    facts: Option<Arc<HealthReport>>,
}

impl<C> Clone for Health<C> {
    fn clone(&self) -> Self {
        Self { edge: self.edge.clone(), facts: self.facts.clone() }
    }
}

impl<C: Core> Health<C> {
    pub(super) fn new(edge: Edge<C>) -> Self {
        Self { edge, facts: None }
    }

    fn report(&self) -> Arc<HealthReport> {
        self.facts.clone().unwrap_or_else(|| Arc::new(HealthReport::of(&*self.edge.core)))
    }
}

impl<C: Core> Object for Health<C> {
    type Facts = HealthReport;

    fn facts(&self) -> Option<Arc<HealthReport>> {
        Some(Arc::new(HealthReport::of(&*self.edge.core)))
    }

    fn at(&self, facts: Arc<HealthReport>) -> Self {
        Self { edge: self.edge.clone(), facts: Some(facts) }
    }
}

#[interface(name = "org.dashboardcast1.Health")]
impl<C: Core> Health<C> {
    /// The same facts as GET /health, under the same names: status, active_streams, cast_device,
    /// hardware_acceleration (a dictionary), gpus, problems, capabilities, version. What is not known is
    /// left out.
    #[zbus(out_args("report"))]
    fn check(&self) -> HashMap<String, OwnedVariant> {
        facts(&*self.report())
    }

    /// Has the machine examined, as dashboard-cast doctor does, which takes some seconds. In the report:
    /// version (s), verdict (s: pass, skipped, warn or fail, the worst of all), causes (as: ids of the
    /// checks to see to, the most important first) and checks (av of a{sv}): id, question, subject,
    /// verdict, says (s), evidence (as), fixes (av of a{sv}: place, words, commands), because (s, the id of
    /// the check whose trouble this one follows from) and manual. What does not apply is left out.
    ///
    /// Errors: Internal. Polkit action: org.dashboardcast1.cast.
    #[zbus(out_args("report"))]
    async fn diagnose(
        &self,
        #[zbus(connection)] connection: &Connection,
        #[zbus(header)] call: Header<'_>,
    ) -> Result<HashMap<String, OwnedVariant>, Error> {
        let turn = self.edge.admit(connection, &call, Action::Cast, &[]).await?;
        let report = self.edge.core.diagnose().await?;
        drop(turn);
        Ok(facts(&report))
    }

    /// healthy or degraded.
    #[zbus(property)]
    fn status(&self) -> &str {
        self.report().status.name()
    }

    /// What is wrong, a sentence each.
    #[zbus(property)]
    fn problems(&self) -> Vec<String> {
        self.report().problems.iter().cloned().map(text).collect()
    }

    /// What encodes: quicksync_available (b), encoder (s, in libavcodec's words), reason (s, why it is
    /// this one and no better one).
    #[zbus(property)]
    fn hardware_acceleration(&self) -> HashMap<String, OwnedVariant> {
        facts(&self.report().hardware_acceleration)
    }

    /// The GPUs, best first: node (s, its render node), name (s), pci (s), driver (s, the kernel's),
    /// usable (b, something encodes on it), problem (s, why nothing is tried), and encoders (a{sv}): for
    /// each, in libavcodec's words, an a{sv} of works (b), rate_control (s), va_driver (s), reason (s, a
    /// word for programs such as no-runtime), problem (s) and remedy (s). What does not apply is left out.
    #[zbus(property)]
    fn gpus(&self) -> Vec<HashMap<String, OwnedVariant>> {
        self.report().gpus.iter().map(facts).collect()
    }

    /// available or unavailable: the TV that is meant when none is named, or any when there is no
    /// such one.
    #[zbus(property)]
    fn cast_device(&self) -> &str {
        self.report().cast_device.name()
    }
}

/// What HTTP writes as JSON.
fn facts(report: &impl Serialize) -> HashMap<String, OwnedVariant> {
    match serde_json::to_value(report) {
        Ok(Value::Object(facts)) => dictionary(facts),
        // Plain values always are an object.
        Ok(_) | Err(_) => HashMap::new(),
    }
}
