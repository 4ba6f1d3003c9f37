"""The benchmark: operation counts, turns, errors, tables, and the commands as a user starts them."""

import math
import os
import time

import numpy as np
import pytest

from tinygen.bench import kernels, layers, machine, report, rows, scaling, sheet, startup, training, workloads
from tinygen.bench.processes import TINYGEN, BenchError, Runner, Worker, Workers

NCHW, LAST, COMPILED = (Runner("torch", mode) for mode in ("nchw", "channels_last", "compiled"))


# -- the workloads -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name, count",
    [
        ("conv_ae", 159_355),
        ("vae_mlp", 652_824),
        ("dcgan", 679_042),
        ("unet_ddpm", 373_697),
        ("mlp_ddpm_2d", 37_762),
    ],
)
def test_the_networks_have_their_numbers_of_parameters(name, count):
    net = workloads.WORKLOADS[name].network(rng=np.random.default_rng(0))
    assert sum(p.size for p in net.parameters()) == count


def test_the_operations_of_a_step_are_counted():
    """Compared with multiplications per image counted by hand; each comes with an addition."""
    dense = 784 * 400 + 2 * 400 * 20 + 20 * 400 + 400 * 784
    expected = {"vae_mlp": 3 * dense - 784 * 400}
    first = 14 * 14 * 9 * 32
    around = 7 * 7 * 9 * 32 * 64 + 2 * 3136 * 10 + 3136 * 6 + 160
    back = 7 * 7 * 9 * 64 * 64 + 14 * 14 * 9 * 64 * 32 + 28 * 28 * 9 * 32
    expected["conv_ae"] = 3 * (first + around + back) - first
    generator = 64 * 6272 + 7 * 7 * 16 * 128 * 64 + 14 * 14 * 16 * 64
    discriminator = 14 * 14 * 16 * 64 + 7 * 7 * 16 * 64 * 128 + 6272
    pixels_in = 14 * 14 * 16 * 64  # the discriminator's first layer
    forward, weights, inputs = 3 * discriminator, 2 * discriminator, 3 * discriminator - 2 * pixels_in
    expected["dcgan"] = 3 * generator - 64 * 6272 + forward + weights + inputs
    for name, count in expected.items():
        arrays = workloads.arrays(name, batch_size=4)
        assert workloads.flops(name, arrays) == pytest.approx(2 * 4 * count, rel=1e-12), name


@pytest.mark.parametrize("name", workloads.WORKLOADS)
def test_a_workload_trains(name):
    step = workloads.build(name, workloads.arrays(name, batch_size=4))
    losses = [step() for _ in range(10)]
    assert all(map(math.isfinite, losses))
    assert losses[-1] < losses[0] or name == "dcgan"  # its two losses are opposed


def test_single_convolutions_are_adjoint():
    """⟨conv(x), g⟩ = ⟨x, transpose(g)⟩ = ⟨w, weight(x, g)⟩, for layers and transposed layers."""
    for layer in (layers.Layer(2, 8, 3, 4, 3, 2, 1), layers.Layer(2, 8, 3, 4, 3, 2, 1, transposed=True)):
        x, w, g = (a.astype(np.float64) for a in layers.arrays(layer))
        forward, backward, weight = (layers.build(layer, direction)[0]().data for direction in layers.DIRECTIONS)
        down, up = (backward, forward) if layer.transposed else (forward, backward)
        assert down.shape == g.shape and up.shape == x.shape and weight.shape == w.shape
        assert (down * g).sum() == pytest.approx((up * x).sum(), rel=1e-4)
        assert (down * g).sum() == pytest.approx((weight * w).sum(), rel=1e-4)
    assert layer.flops == 2 * 2 * 4 * 4 * 9 * 3 * 4
    assert str(layer) == "ConvT 3x3 /2  4x4x4 to 8x8x3  N 2"


# -- taking turns ------------------------------------------------------------------------------------------------------


class FakeWorker:
    """Replies at once, and records the order of the commands."""

    commands: list  # of all workers, with the runner

    def __init__(self, runner, task, **setting):
        self.runner = runner
        self.commands.append((runner, "start"))

    def call(self, command):
        self.commands.append((self.runner, command))
        verb, *numbers = command.split()
        if verb == "train":
            if self.runner == COMPILED:
                raise BenchError("torch compiled: no compiler")
            slow = 4 if self.runner == TINYGEN else 8
            return {"ms": slow, "losses": [1.0] * int(numbers[0])}
        return {"clock": {"seconds": 0.0}, "peak": {"megabytes": 7}, "flops": {"flops": 8e6, "sgemm": 4e9}}[verb]

    def close(self):
        self.commands.append((self.runner, "end"))


@pytest.fixture
def commands(monkeypatch):
    monkeypatch.setattr(FakeWorker, "commands", [], raising=False)
    monkeypatch.setattr(training, "Worker", FakeWorker)
    return FakeWorker.commands


def test_all_take_turns_after_a_warm_up(commands):
    measured = training.measure("vae_mlp", ["nchw", "channels_last"], threads=1, pairs=4, log=lambda _: None)
    turns = [who for who, what in commands if what == f"train {round(training.TURN / 8)}"]
    assert turns == [TINYGEN, NCHW, LAST] * 4  # the number of steps that the slowest needs for a turn
    assert [what for who, what in commands if who == NCHW][:3] == ["start", "train 3", "train 3"]
    assert {who for who, what in commands if what == "end"} == {TINYGEN, NCHW, LAST}
    assert {runner: len(ms) for runner, ms in measured.ms.items()} == {TINYGEN: 4, NCHW: 4, LAST: 4}


def test_a_mode_that_does_not_compile_is_left_out_with_a_message(commands):
    messages = []
    measured = training.measure("vae_mlp", ["nchw", "compiled"], threads=1, pairs=2, log=messages.append)
    assert set(measured.ms) == {TINYGEN, NCHW}
    assert "vae_mlp: torch.compile is left out, because it fails here: torch compiled: no compiler" in messages
    assert (COMPILED, "end") in commands


@pytest.mark.parametrize("wrong", [1.00011, 0.9998])
def test_losses_that_differ_stop_the_measurement(wrong):
    training.check_losses("w", {TINYGEN: [2.0, 1.00009, 1.0], NCHW: [2.0, 1.0, 1.0]})
    with pytest.raises(
        BenchError, match=r"w: expected equal losses .* in step 3, got .* by tinygen and 1 by torch nchw: .* same work"
    ):
        training.check_losses("w", {TINYGEN: [2.0, 1.0, wrong], NCHW: [2.0, 1.0, 1.0]})


@pytest.mark.parametrize("wrong", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_stops_the_measurement(wrong):
    for runner in (TINYGEN, NCHW):
        losses = {TINYGEN: [1.0, 2.0], NCHW: [1.0, 2.0]} | {runner: [1.0, wrong]}
        with pytest.raises(BenchError, match=f"w: expected finite losses, got {wrong} in step 2 by {runner}"):
            training.check_losses("w", losses)
    with pytest.raises(BenchError, match="expected finite losses"):
        training.check_losses("w", {TINYGEN: [wrong]})


def test_different_results_stop_the_measurement():
    kernels.check_norms("c", {TINYGEN: {"norm": 1.0}, NCHW: {"norm": 1.0005}})
    for right, wrong in ((1.0, 1.01), ([3.0, 1.0], [3.0, 1.01])):
        message = r"c: expected results of one norm, got 1 by tinygen and 1.01 by torch nchw"
        with pytest.raises(BenchError, match=message):
            kernels.check_norms("c", {TINYGEN: {"norm": right}, NCHW: {"norm": wrong}})
    with pytest.raises(BenchError, match="c: expected 2 results, as of tinygen, got 1 by torch nchw"):
        kernels.check_norms("c", {TINYGEN: {"norm": [1.0, 2.0]}, NCHW: {"norm": [1.0]}})


def test_a_worker_that_waits_takes_no_processor_time():
    with Workers() as workers:
        workers[TINYGEN] = Worker(TINYGEN, "layers", threads=2)
        workers.call("select 2 0")

        def used_while(action) -> float:
            before = workers[TINYGEN].call("clock")["seconds"]
            action()
            return workers[TINYGEN].call("clock")["seconds"] - before

        busy = used_while(lambda: workers.call("run 20"))
        assert busy > 0.05
        assert used_while(lambda: time.sleep(1)) < 0.05
        process = workers[TINYGEN].process
    assert process.returncode == 0  # it exits at the end of its input


def test_an_error_in_a_worker_is_raised():
    with pytest.raises(BenchError, match="tinygen: KeyError: 'no such task'"):
        Worker(TINYGEN, "no such task", threads=1)
    with Workers() as workers:
        workers[TINYGEN] = Worker(TINYGEN, "layers", threads=1)
        with pytest.raises(BenchError, match=r"tinygen: AttributeError: .*has no attribute 'dance'"):
            workers.call("dance")
        with pytest.raises(BenchError, match="its process ended without a reply"):
            workers.call("clock")


def test_a_failing_process_raises_and_a_good_one_is_read():
    assert startup.seconds("print(0.25)") == 0.25
    assert 0 < startup.seconds(startup.IMPORT.format("tinygen")) < 20
    with pytest.raises(BenchError, match="a process failed"):
        startup.seconds("raise SystemExit(3)")


# -- the figures -------------------------------------------------------------------------------------------------------


def measured(name: str = "conv_ae") -> training.Measured:
    """The ratio of the medians is 2/4, but the median of the ratios by round 2/5."""
    ms = {TINYGEN: [1.0, 2.0, 3.0], NCHW: [3.0, 5.0, 4.0], LAST: [90.0, 1.0, 90.0]}
    megabytes = {TINYGEN: 10.0, NCHW: 30.0, LAST: 20.0}
    return training.Measured(name, {r: np.array(v) for r, v in ms.items()}, megabytes, 2e6, 4e9, 0.0)


def test_the_ratio_is_taken_round_by_round_to_the_mode_with_the_best_median():
    row = report.row(measured())
    assert row["best"] == "torch nchw"
    assert row["ratio"] == pytest.approx({"median": 0.4, "lower quartile": 11 / 30, "upper quartile": 0.575})
    assert row["gflops_per_second"] == pytest.approx(1.0) and row["sgemm_gflops_per_second"] == 4.0
    rows = [row, {**row, "ratio": {"median": 0.9}}]
    assert report.geometric_mean(rows) == pytest.approx(0.6)


def test_the_table_has_all_figures(monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")  # the cells of the table on one line each
    text = report.table([report.row(measured("conv_ae")), report.row(measured("dcgan"))])
    head, _, first, *_, last = text.splitlines()
    assert head.split("  ")[0] == "training step" and "torch ms" in head
    for cell in ("conv_ae", "2.00 [1.50, 2.50]", "4.00 [3.50, 4.50]", "0.40 [0.37, 0.57]", " 10 ", " 20 ", "1 of 4"):
        assert cell in first
    assert last.split() == ["geometric", "mean", "0.400"]
    assert "90.0 [45.5, 90.0]" in report.modes_table([report.row(measured())])


def test_without_pytorch_there_is_no_ratio():
    m = measured()
    alone = m._replace(ms={TINYGEN: m.ms[TINYGEN]}, megabytes={TINYGEN: None})
    row = report.row(alone)
    assert row["ratio"] is None and row["best"] is None and report.geometric_mean([row]) is None
    text = report.table([row])
    assert "torch" not in text + report.legend([row]) and "ratio" not in text and " -  " in text


def times(ours: list[float]) -> dict:
    """Of tinygen, and of PyTorch, whose faster layout always takes 1 ms."""
    return {TINYGEN: np.array(ours), NCHW: np.ones(3), LAST: np.full(3, 9.0)}


def test_the_sheet_names_what_is_slower_and_the_worst_of_each_kind(monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    conv, *_, dense = (rows.ROWS[i] for i in rows.chosen(("conv", "dense")))
    timed = [sheet.Timed(conv, times([0.5, 0.6, 0.7])), sheet.Timed(dense, times([2.0, 2.4, 2.2]))]
    timed.append(sheet.Timed(dense._replace(text="Dense(1, 1)"), times([1.1, 1.1, 1.1])))
    found = [sheet.row(each) for each in timed]
    assert found[1]["best"] == "torch nchw" and found[1]["ratio"]["median"] == pytest.approx(2.2)
    assert sheet.ratios(found) == {"conv": [0.6], "dense": [1.1, 2.2]}
    assert "0.60 [0.55, 0.65]" in sheet.table(found).splitlines()[2]
    assert [line.split()[-3:] for line in sheet.summary(found).splitlines()[2:]] == [
        ["1", "0.60", "0.60"],
        ["2", "1.56", "2.20"],
        ["3", "1.13", "2.20"],
    ]
    head, first, second = sheet.slower(found).splitlines()
    assert head == "rows above 1: 2 of 3" and str(dense) in first and "Dense(1, 1)" in second
    assert max(map(len, sheet.legend(found).splitlines())) <= 80
    alone = [sheet.row(sheet.Timed(conv, {TINYGEN: np.ones(3)}))]
    assert "torch" not in sheet.table(alone) + sheet.legend(alone)


def test_the_times_of_scaling_are_those_of_an_image():
    (axis, sizes), *_, last = scaling.POINTS
    assert (axis, sizes) == ("batch", {"batch": 1, "side": 32, "width": 32})
    assert last == ("width", {"batch": 16, "side": 32, "width": 256})
    found = [scaling.row(scaling.Timed(*last, times([8.0, 16.0, 12.0])))]
    assert scaling.curves(found) == {"batch": [], "side": [], "width": [(256, 0.75, 0.0625)]}
    line = scaling.table(found).splitlines()[2].split()
    assert line == ["16", "32", "256", "*", "0.750", "0.0625", "12.00", "[10.00,", "14.00]"]
    assert "torch" in scaling.legend(found)


def test_rounds_end_after_some_seconds():
    class Fake(dict):
        calls = 0

        def call(self, command):
            self.calls += command == "run 2"
            return {TINYGEN: {"norm": [1.0], "ms": 2.5}}

    fake = Fake({TINYGEN: None})
    assert len(kernels.turns(fake, "x", "select 0", 7)[TINYGEN]) == 7
    assert len(kernels.turns(fake, "x", "select 0", 7, seconds=0.0)[TINYGEN]) == kernels.FEWEST == fake.calls - 7


def test_memory_is_counted_from_the_start():
    code = """
import numpy as np
from tinygen.bench.memory import Meter
before = np.ones(90_000_000 // 8); del before  # as an import may need temporarily
meter = Meter()
peak = np.ones(60_000_000 // 8); del peak
print(meter.peak())
"""
    if not os.access("/proc/self/clear_refs", os.W_OK):
        pytest.skip("this system can't reset the peak memory of a process")
    assert 55 < startup.seconds(code) < 75


def test_the_machine_is_named():
    found = machine.machine(2)
    assert found["threads"] == "2" and found["numpy"] == np.__version__ and found["processor"]
    busy = machine.busy_seconds()
    assert busy is None or busy > 0
