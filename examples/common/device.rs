//! Devices by name.

use burn::tensor::Device;
#[cfg(feature = "wgpu")]
use burn::tensor::DeviceKind;

use super::{Failure, usage};

/// The device called `name`: `flex`, `cpu`, or `cuda`, `rocm`, `wgpu`, `vulkan`, `metal` with an optional
/// `:index`, or `wgpu:cpu` for a software GPU.
pub fn by_name(name: &str) -> Result<Device, Failure> {
    let (kind, index) = name.split_once(':').unwrap_or((name, "0"));
    let number = || {
        index
            .parse::<usize>()
            .map_err(|_| usage(format!("--device {name}: `{index}` is not the number of a device")))
    };
    match kind {
        #[cfg(feature = "flex")]
        "flex" => Ok(Device::flex()),
        #[cfg(feature = "cpu")]
        "cpu" => Ok(Device::cpu()),
        #[cfg(feature = "cuda")]
        "cuda" => Ok(Device::cuda(number()?)),
        #[cfg(feature = "rocm")]
        "rocm" => Ok(Device::rocm(number()?)),
        #[cfg(feature = "wgpu")]
        "wgpu" | "vulkan" | "metal" => {
            let device = match index {
                "cpu" => DeviceKind::Cpu,
                _ if name == kind => DeviceKind::DefaultDevice,
                _ => DeviceKind::DiscreteGpu(number()?),
            };
            wgpu(kind, device)
        }
        "flex" | "cpu" | "cuda" | "rocm" | "wgpu" | "vulkan" | "metal" => {
            number()?;
            Err(usage(format!(
                "--device {name}: this build lacks the feature `{kind}`; run cargo with --features {kind}"
            )))
        }
        _ => Err(usage(format!(
            "--device {name}: unknown; choose flex, cpu, cuda, rocm, wgpu, vulkan or metal"
        ))),
    }
}

#[cfg(feature = "wgpu")]
fn wgpu(kind: &str, device: DeviceKind) -> Result<Device, Failure> {
    match kind {
        #[cfg(feature = "vulkan")]
        "vulkan" => Ok(Device::vulkan(device)),
        #[cfg(feature = "metal")]
        "metal" => Ok(Device::metal(device)),
        "wgpu" => Ok(Device::wgpu(device)),
        _ => Err(usage(format!(
            "--device {kind}: this build lacks the feature `{kind}`; run cargo with --features {kind}"
        ))),
    }
}
