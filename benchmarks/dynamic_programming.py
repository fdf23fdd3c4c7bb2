"""The least that any rule with the same looks can cost: backward induction over the state of the t-test.

Minimises the average of expected seeds at 0, 1 and 1.5 times an effect d plus ``price[0] P(PASS | 0)`` plus
``price[1] P(no PASS | d)``. All three effects are one measure under zero times likelihood ratios, so the state is
one number, and the optimal rule a table of cost over it. The prices are found for which both errors are met. The
effect is free (a design with a given maximum solves for its own), so the bound is the least over d. Futility is
binding in the bound; the same rule with alpha recalibrated so that it holds with futility ignored is printed beside.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import gammaln

from pytest_mlops.stats import SequentialTest
from pytest_mlops.stats.design import (
    Bounds,
    Cells,
    cells,
    expected_seeds,
    fixed_seeds,
    null_distributions,
    power_at,
)
from pytest_mlops.stats.recursion import Array, likelihood_ratio, state_of_t, t_of_state

GRID = 321
STEPS = 24
TIMES = np.array([0.0, 1.0, 1.5])


class Induction:
    """Everything that does not depend on the prices: grids, transitions, likelihood ratios."""

    def __init__(self, looks: Array, effect: float) -> None:
        self.looks, self.effect = [int(n) for n in looks], effect
        nodes, weights = np.polynomial.legendre.leggauss(STEPS)
        self.grids: list[Array] = []
        self.ratios: list[Array] = []
        self.moves: list[tuple[Array, Array]] = []
        for n in self.looks:
            # Beyond +-5 every sensible rule has stopped long ago.
            grid = np.linspace(-1, 1, GRID) * min(math.sqrt(n) * (1 - 1e-9), 5.0)
            self.grids.append(grid)
            self.ratios.append(likelihood_ratio(grid, n, (TIMES * effect)[:, None]))
            reach = min(math.pi / 2, 7 / math.sqrt(n))
            phi = reach * nodes
            # The next contrast adds the angle phi, of density cos(phi)^(n-1): the recursion, forwards.
            scale = gammaln((n + 1) / 2) - gammaln(n / 2) - math.log(math.pi) / 2
            mass = np.exp(scale + (n - 1) * np.log(np.cos(phi))) * reach * weights
            self.moves.append((grid[:, None] * np.cos(phi) + np.sin(phi), mass / mass.sum()))

    def rule(self, prices: Array) -> tuple[Array, Array]:
        """Efficacy and futility bounds (t) of the rule that is optimal at `prices`."""
        efficacy, futility = np.empty(len(self.looks)), np.empty(len(self.looks))
        value = np.empty(0)
        for place in range(len(self.looks) - 1, -1, -1):
            n, grid, ratios = self.looks[place], self.grids[place], self.ratios[place]
            passing, failing = np.full(GRID, prices[0]), prices[1] * ratios[1]
            if place == len(self.looks) - 1:
                going = np.full(GRID, np.inf)
            else:
                states, mass = self.moves[place]
                going = ratios.mean(axis=0) + np.interp(states, self.grids[place + 1], value) @ mass
            high = _first(grid, passing - np.minimum(failing, going))
            low = high if math.isinf(going[0]) else min(_first(grid, going - failing), high)
            efficacy[place], futility[place] = t_of_state(high, n), t_of_state(low, n)
            value = np.minimum(np.minimum(passing, failing), going)
        return efficacy, futility


def _first(grid: Array, difference: Array) -> float:
    """Smallest state at which `difference` is no longer positive, by linear interpolation."""
    place = int(np.argmax(difference <= 0))
    if place == 0:
        return float(grid[0] if difference[0] <= 0 else grid[-1])
    before, after = difference[place - 1], difference[place]
    return float(grid[place - 1] + (grid[place] - grid[place - 1]) * before / (before - after))


def cheapest(looks: Array, effect: float, alpha: float, power: float, *, binding: bool) -> float:
    """Average expected seeds over the fixed test's of the optimal rule that meets both errors at `effect`."""
    induction = Induction(looks, effect)
    log_prices = np.log([150.0, 80.0])
    target = np.log([alpha, 1 - power])

    def errors(logs: Array) -> tuple[Array, list[Cells]]:
        efficacy, futility = induction.rule(np.exp(logs))
        bounds = Bounds(
            looks=looks, efficacy=efficacy, futility=futility, detectable_effect=effect, fail_level=0.05
        )
        quadrature = cells(bounds)
        passed = power_at(quadrature, TIMES * effect)
        level = passed[0] if binding else _unbound_level(bounds)
        return np.log([level, 1 - passed[1]]) - target, quadrature

    slope = -np.eye(2)
    miss, quadrature = errors(log_prices)
    for _ in range(14):  # Broyden: an error falls about as its price rises
        step = np.clip(-np.linalg.solve(slope, miss), -1, 1)
        log_prices = log_prices + step
        new, quadrature = errors(log_prices)
        slope = slope + np.outer(new - miss - slope @ step, step) / (step @ step)
        miss = new
        if np.abs(miss).max() < 5e-4:
            break
    return float(expected_seeds(quadrature, TIMES * effect).mean() / fixed_seeds(alpha, power, effect))


def _unbound_level(bounds: Bounds) -> float:
    level = 0.0
    for below, efficacy in zip(null_distributions(bounds), bounds.efficacy, strict=True):
        level += below.total - float(below(state_of_t(efficacy, below.survival.n)))
    return level


def bound_of(test: SequentialTest) -> str:
    """Say what the bound is for the looks of `test`, as lines of the table."""
    looks = np.arange(test.min_seeds, test.max_seeds + 1)
    lines = []
    for binding, name in (
        (True, "binding futility: the bound"),
        (False, "recalibrated to non-binding futility"),
    ):

        def cost(effect: float, *, binding: bool = binding) -> float:
            return cheapest(looks, effect, test.alpha, test.power, binding=binding)

        middle = test.detectable_effect
        found = minimize_scalar(
            cost, bounds=(0.85 * middle, 1.12 * middle), method="bounded", options={"xatol": 0.01}
        )
        own = cost(middle)
        lines.append(
            f"  dynamic programming, {name}: {own:.4f} at its effect, {found.fun:.4f} at effect {found.x:.3f}"
        )
    return "\n".join(lines)
