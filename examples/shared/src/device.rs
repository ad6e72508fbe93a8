//! Devices by name.

#[cfg(feature = "wgpu")]
use burn::tensor::DeviceKind;
use burn::tensor::{Device, Tensor};

use crate::caught::caught;
use crate::{Failure, usage};

const KINDS: [&str; 7] = ["flex", "cpu", "cuda", "rocm", "wgpu", "vulkan", "metal"];

/// The device called `name`, after a first computation on it.
pub fn by_name(name: &str) -> Result<Device, Failure> {
    let device = named(name)?;
    // Burn panics where a device does not exist; the message goes into our one line.
    let works = caught(|| Tensor::<1>::ones([1], &device).into_data());
    match works {
        Ok(_) => Ok(device),
        Err(_) => Err(usage(format!("--device {name}: there is no such device on this machine"))),
    }
}

/// The device called `name`: `flex`, `cpu`, or `cuda`, `rocm`, `wgpu`, `vulkan`, `metal` with an optional
/// `:index`, or `wgpu:cpu` for a software GPU.
fn named(name: &str) -> Result<Device, Failure> {
    #[cfg_attr(not(any(feature = "cuda", feature = "rocm", feature = "wgpu")), allow(unused))]
    let (kind, index) = name.split_once(':').unwrap_or((name, "0"));
    match kind {
        "flex" => Ok(Device::flex()),
        #[cfg(feature = "cpu")]
        "cpu" => Ok(Device::cpu()),
        #[cfg(feature = "cuda")]
        "cuda" => Ok(Device::cuda(number(name, index)?)),
        #[cfg(feature = "rocm")]
        "rocm" => Ok(Device::rocm(number(name, index)?)),
        #[cfg(feature = "wgpu")]
        "wgpu" => Ok(Device::wgpu(adapter(name, index)?)),
        #[cfg(feature = "vulkan")]
        "vulkan" => Ok(Device::vulkan(adapter(name, index)?)),
        #[cfg(feature = "metal")]
        "metal" => Ok(Device::metal(adapter(name, index)?)),
        kind if KINDS.contains(&kind) => Err(usage(format!(
            "--device {name}: this build lacks the feature `{kind}`; run cargo with --features {kind}"
        ))),
        _ => Err(usage(format!("--device {name}: unknown; choose one of {}", KINDS.join(", ")))),
    }
}

#[cfg(feature = "wgpu")]
fn adapter(name: &str, index: &str) -> Result<DeviceKind, Failure> {
    Ok(match index {
        "cpu" => DeviceKind::Cpu,
        _ if !name.contains(':') => DeviceKind::DefaultDevice,
        _ => DeviceKind::DiscreteGpu(number(name, index)?),
    })
}

#[cfg(any(feature = "cuda", feature = "rocm", feature = "wgpu"))]
fn number(name: &str, index: &str) -> Result<usize, Failure> {
    index
        .parse()
        .map_err(|_| usage(format!("--device {name}: `{index}` is not the number of a device")))
}
