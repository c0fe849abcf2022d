//! Logarithm, exponential and normal quantile out of nothing but additions, multiplications,
//! divisions, square roots and bits. IEEE 754 settles each of those to the last bit, where a
//! platform's own `ln` and `exp` differ; and without a branch the compiler can do several at once.

use std::f64::consts::LOG2_E;

/// ln 2 in two parts: the first has so few bits that its product with an exponent is exact.
const LN_2: [f64; 2] = [6.931_471_803_691_238e-1, 1.908_214_929_270_587_7e-10];

/// ln(1+f) = 2s + s * (LN[0] s^2 + LN[1] s^4 + ...) with s = f / (2 + f), as in FreeBSD's `e_log.c`.
const LN: [f64; 7] = [
    6.666_666_666_666_735e-1,
    3.999_999_999_940_942e-1,
    2.857_142_874_366_239e-1,
    2.222_219_843_214_978_4e-1,
    1.818_357_216_161_805e-1,
    1.531_383_769_920_937_3e-1,
    1.479_819_860_511_658_6e-1,
];

const MANTISSA: u64 = (1 << 52) - 1;
const ONE: u64 = 1.0f64.to_bits();
/// About the root of 1/2: what is taken the logarithm of is brought between it and its double.
const ROOT: u64 = 0x3fe6_a09e_0000_0000;

/// The natural logarithm of a positive normal number, within one unit of the last place.
#[inline(always)] // A call would keep a loop over lanes from becoming vector instructions.
pub(crate) fn ln(x: f64) -> f64 {
    let shifted = x.to_bits().wrapping_add(ONE - ROOT);
    // An integer below 2^52 becomes a float as the mantissa of 2^52.
    let two_52 = 4_503_599_627_370_496.0f64;
    let exponent = f64::from_bits((shifted >> 52) | two_52.to_bits()) - (two_52 + 1023.0);
    let f = f64::from_bits((shifted & MANTISSA) + ROOT) - 1.0;
    let (s, half) = (f / (2.0 + f), 0.5 * f * f);
    let z = s * s;
    let w = z * z;
    let even = w * (LN[1] + w * (LN[3] + w * LN[5]));
    let odd = z * (LN[0] + w * (LN[2] + w * (LN[4] + w * LN[6])));
    s * (half + even + odd) + exponent * LN_2[1] - half + f + exponent * LN_2[0]
}

/// 1/n! for n from 0 to 11: Taylor's series, which on [-ln 2 / 2, ln 2 / 2] is off by 7e-15.
const EXP: [f64; 12] = [
    1.0,
    1.0,
    0.5,
    1.0 / 6.0,
    1.0 / 24.0,
    1.0 / 120.0,
    1.0 / 720.0,
    1.0 / 5_040.0,
    1.0 / 40_320.0,
    1.0 / 362_880.0,
    1.0 / 3_628_800.0,
    1.0 / 39_916_800.0,
];

/// e to the power of `x`, from -700 to 700, with a relative error below 1e-14.
#[inline(always)] // As `ln`.
pub(crate) fn exp(x: f64) -> f64 {
    // Added to it, a small number is rounded to an integer, in the lowest bits.
    let rounder = 6_755_399_441_055_744.0f64;
    let rounded = x * LOG2_E + rounder;
    let exponent = rounded - rounder;
    let rest = x - exponent * LN_2[0] - exponent * LN_2[1];
    // Pairs, then pairs of pairs: short chains of operations that wait for each other.
    let pair = |i: usize| EXP[i] + EXP[i + 1] * rest;
    let (r2, r4) = (rest * rest, (rest * rest) * (rest * rest));
    let low = pair(0) + pair(2) * r2;
    let middle = pair(4) + pair(6) * r2;
    let high = pair(8) + pair(10) * r2;
    let series = low + (middle + high * r4) * r4;
    series * f64::from_bits((rounded.to_bits() << 52).wrapping_add(ONE))
}

/// The quantile of the standard normal distribution at `p` in (0, 1), by P. Acklam's rational
/// approximations, with a relative error below 1.2e-9.
pub(super) fn normal_quantile(p: f64) -> f64 {
    const CENTRE: [[f64; 6]; 2] = [
        [
            -3.969_683_028_665_376e1,
            2.209_460_984_245_205e2,
            -2.759_285_104_469_687e2,
            1.383_577_518_672_69e2,
            -3.066_479_806_614_716e1,
            2.506_628_277_459_239,
        ],
        [
            -5.447_609_879_822_406e1,
            1.615_858_368_580_409e2,
            -1.556_989_798_598_866e2,
            6.680_131_188_771_972e1,
            -1.328_068_155_288_572e1,
            1.0,
        ],
    ];
    const TAIL: [[f64; 6]; 2] = [
        [
            -7.784_894_002_430_293e-3,
            -3.223_964_580_411_365e-1,
            -2.400_758_277_161_838,
            -2.549_732_539_343_734,
            4.374_664_141_464_968,
            2.938_163_982_698_783,
        ],
        [
            0.0,
            7.784_695_709_041_462e-3,
            3.224_671_290_700_398e-1,
            2.445_134_137_142_996,
            3.754_408_661_907_416,
            1.0,
        ],
    ];
    let ratio = |[above, below]: [[f64; 6]; 2], x: f64| {
        let at = |factors: [f64; 6]| factors.iter().fold(0.0, |sum, factor| sum * x + factor);
        at(above) / at(below)
    };
    let tail = |p: f64| ratio(TAIL, (-2.0 * ln(p)).sqrt());
    match p {
        p if p < 0.02425 => tail(p),
        p if p > 1.0 - 0.02425 => -tail(1.0 - p),
        p => (p - 0.5) * ratio(CENTRE, (p - 0.5) * (p - 0.5)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logarithm_and_exponential_are_those_of_the_platform() {
        for step in 0..200_000 {
            // From 2^-60 to 2^40, each mantissa different.
            let x = (f64::from(step) * 0.000_5 - 60.0).exp2();
            let (ours, theirs) = (ln(x), x.ln());
            assert!((ours - theirs).abs() <= 2.3e-16 * theirs.abs().max(1e-3), "ln {x}: {ours}");
            let y = f64::from(step) * 0.003_5 - 350.0;
            assert!((exp(y) / y.exp() - 1.0).abs() < 1e-14, "exp {y}");
        }
        assert_eq!((ln(1.0), exp(0.0)), (0.0, 1.0));
    }

    #[test]
    fn normal_quantiles_are_those_of_tables() {
        for (p, z) in [
            (0.5, 0.0),
            (0.841_344_746_068_543, 1.0),
            (0.975, 1.959_963_984_540_054),
            (0.001, -3.090_232_306_167_813),
            (0.999_999, 4.753_424_308_822_899),
        ] {
            assert!((normal_quantile(p) - z).abs() < 1e-8 * (1.0 + z.abs()), "{p}");
        }
    }

    /// Golden bits: whoever changes a formula, or a machine that rounds otherwise, is noticed.
    #[test]
    fn bits_do_not_change() {
        let sum = (1..1000).fold(0u64, |sum, step| {
            let x = f64::from(step) / 1000.0;
            sum.rotate_left(1) ^ ln(x).to_bits() ^ exp(x).to_bits() ^ normal_quantile(x).to_bits()
        });
        assert_eq!(sum, 6_334_979_927_031_051_709);
    }
}
