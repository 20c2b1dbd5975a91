"""KenCarp4 (ARK4(3)6L[2]SA, its implicit part), six stages, L-stable: Kennedy & Carpenter, Appl. Numer. Math. 44 (2003) 139."""

from sciad.solvers.sdirk.tableau import SdirkTableau

KENCARP4 = SdirkTableau(
    name="KenCarp4",
    order=4,
    embedded=3,
    gamma="1/4",
    c="0 1/2 83/250 31/50 17/20 1",
    a=(
        "1/4",
        "8611/62500 -1743/31250",
        "5012029/34652500 -654441/2922500 174375/388108",
        "15267082809/155376265600 -71443401/120774400 730878875/902184768 2285395/8070912",
        "82889/524892 0 15625/83664 69875/102672 -2260/8211",
    ),
    b_hat="4586570599/29645900160 0 178811875/945068544 814220225/1159782912 -3700637/11593932 61727/225920",
)
