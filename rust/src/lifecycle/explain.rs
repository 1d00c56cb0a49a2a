// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a start would do, without starting anything: `pinion plan`.

use crate::config::{self, StarterConfig};
use crate::error::{Error, Result};
use crate::lifecycle::callback::prepare_config;
use crate::lifecycle::facts;
use crate::plan::{Facts, Plan};
use crate::privileges::posture::Posture;
use crate::registry;

/// The plan for a document, made as stage 1 would make it for the calling user, as a tree for people or as JSON. `setuid` asks what
/// a setuid-root starter would do for an ordinary user.
pub fn explain(configuration: &[u8], setuid: bool, json: bool) -> Result<String> {
    let engine = registry::get(configuration)?;
    let own = facts()?;
    let facts = Facts { setuid: setuid && own.uid != 0, ..own };
    let mut config = StarterConfig::new(config::Facts { is_suid: facts.setuid }, configuration.to_vec(), None);
    prepare_config(&engine, &mut config, Posture::read()?)?;
    let (settings, _, _) = config.into_parts();
    let declaration = engine.operations.declaration().map_err(Error::callback)?;
    let plan = Plan::make(&settings, &facts, &declaration)?;
    if !json {
        return Ok(plan.to_string());
    }
    let text = serde_json::to_string_pretty(&plan.document());
    text.map(|text| text + "\n").map_err(|error| Error::invalid(format!("write the plan as JSON: {error}")))
}
