"""One closed-loop trial in virtual time: assembler, policy, controller and simulator of the live graph in one process."""

from vla_contract.card import load_card
from vla_contract.shipped import find_card, find_checkpoint
from vla_trials.lockstep.latency import LatencyModel
from vla_trials.lockstep.runner import LockstepRunner
from vla_trials.lockstep.simulated_cell import SimulatedCell

cell = SimulatedCell(load_card(find_card("panda_tabletop")))
policy = cell.load_policy(str(find_checkpoint("panda_tabletop")))
runner = LockstepRunner(cell.card, cell.world, cell.new_controller, policy, latency=LatencyModel(0.1, 0.0, 0.0))
result = runner.run("pick", seed=50_000)

print(f"'{result.instruction}': {'done' if result.success else 'not done'} after {result.seconds:.1f} s")
print(f"{result.chunks} chunks, {result.steps_executed} steps, {result.steps_clamped} of them clamped")
