//! A wide struct: the draft keeps count of 37 required fields, in any order of the setters.

use noex_store::prelude::*;

#[derive(Bucket, Clone, Debug, Serialize, Deserialize)]
struct Wide {
    #[bucket(key)]
    id: u64,
    f00: u8,
    f01: String,
    f02: Option<u32>,
    f03: bool,
    f04: u8,
    f05: String,
    f06: Option<u32>,
    f07: bool,
    f08: u8,
    f09: String,
    f10: Option<u32>,
    f11: bool,
    f12: u8,
    f13: String,
    f14: Option<u32>,
    f15: bool,
    f16: u8,
    f17: String,
    f18: Option<u32>,
    f19: bool,
    f20: u8,
    f21: String,
    f22: Option<u32>,
    f23: bool,
    f24: u8,
    f25: String,
    f26: Option<u32>,
    f27: bool,
    f28: u8,
    f29: String,
    f30: Option<u32>,
    f31: bool,
    f32: u8,
    f33: String,
    f34: Option<u32>,
    f35: bool,
    f36: u8,
    f37: String,
    f38: Option<u32>,
    f39: bool,
    f40: u8,
    f41: String,
    f42: Option<u32>,
    f43: bool,
    f44: u8,
    f45: String,
    f46: Option<u32>,
    f47: bool,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let store = Store::builder().bucket::<Wide>().start().await?;
    let wide = store.bucket::<Wide>()?;
    let record = wide.insert(
        Wide::draft()
            .f00(7)
            .f01("x")
            .f03(true)
            .f04(7)
            .f05("x")
            .f07(true)
            .f08(7)
            .f09("x")
            .f11(true)
            .f12(7)
            .f13("x")
            .f15(true)
            .f16(7)
            .f17("x")
            .f19(true)
            .f20(7)
            .f21("x")
            .f23(true)
            .f24(7)
            .f25("x")
            .f27(true)
            .f28(7)
            .f29("x")
            .f31(true)
            .f32(7)
            .f33("x")
            .f35(true)
            .f36(7)
            .f37("x")
            .f39(true)
            .f40(7)
            .f41("x")
            .f43(true)
            .f44(7)
            .f45("x")
            .f47(true)
            .f02(1)
            .id(1),
    )?;
    assert_eq!((record.f00, record.f01.as_str(), record.f02, record.f03), (7, "x", Some(1), true));
    assert_eq!(record.f46, None);
    assert_eq!(Wide::schema().fields.len(), 49);
    assert_eq!(wide.filter(Wide::F44.eq(7).and(Wide::F46.is_none())).count(), 1);
    Ok(())
}
