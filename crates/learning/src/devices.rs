//! Names of the learner's devices, synced as last-writer-wins registers.

use carrel_model::{
    DeviceId,
    lattice::{Kv, RowKey, RowType},
};

use crate::{Learning, Result, store::checked};

const DEVICE: &str = "device";

impl Learning {
    /// Stores the name of this device. An unchanged name is not written.
    pub async fn name_this_device(&self, name: &str) -> Result<()> {
        let value = serde_json::to_string(name)?;
        self.store
            .write("name_device", move |tx| {
                let device = tx.device();
                let before: Option<Kv> = tx.find(&[DEVICE.to_owned(), device.to_string()])?;
                if before.is_none_or(|b| b.value != value) {
                    let hlc = tx.hlc();
                    let (ns, key) = (DEVICE.to_owned(), device.to_string());
                    tx.join(Kv {
                        ns,
                        key,
                        value: value.clone(),
                        hlc,
                        device,
                        extra: Default::default(),
                    })?;
                }
                Ok(())
            })
            .await
    }

    /// Returns the name of another device: empty for this device, `?` for one without a name.
    pub async fn other_device_name(&self, device: DeviceId) -> Result<String> {
        if device == self.store.device() {
            return Ok(String::new());
        }
        self.store
            .read(move |conn| {
                let key = RowKey::of(RowType::Kv, &[DEVICE, &device.to_string()]);
                let name = match checked::get(conn, &key)? {
                    Some(carrel_model::lattice::Row::Kv(kv)) => {
                        serde_json::from_str::<String>(&kv.value).ok()
                    }
                    _ => None,
                };
                Ok(name.filter(|n| !n.is_empty()).unwrap_or_else(|| "?".to_owned()))
            })
            .await
    }
}
