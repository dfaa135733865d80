import { type Backend, type Compared, isProcessor } from "../model/comparison";
import { count, joules, times } from "../model/format";

/** Who needs the least, in a sentence that keeps its direction whoever wins. */
export function Verdict({ compared }: { compared: Compared }) {
  const least = (backends: Backend[]) =>
    [...backends].sort((one, other) => one.energy_J["total"]! - other.energy_J["total"]!)[0];
  const reference = compared.backends.find(({ name }) => name === compared.reference);
  const array = least(compared.backends.filter((backend) => !isProcessor(backend)));
  if (!reference || !array) return null;
  const [own, others] = [reference.energy_J["total"]!, array.energy_J["total"]!];
  const best = least(compared.backends);
  const [winner, loser, ratio] = own <= others ? [reference, array, others / own] : [array, reference, own / others];
  return (
    <p class="verdict">
      <strong>{winner.name}</strong> needs {times(ratio)} less energy an image than <strong>{loser.name}</strong>:{" "}
      {joules(winner.energy_J["total"]!)} against {joules(loser.energy_J["total"]!)}.{" "}
      <span class="muted">
        These are the associative processor that ratios refer to and the best of the arrays, priced for{" "}
        {count(compared.workload.batch, "image")} at a time ({reference.energy_source}).
        {best && best !== winner && ` The least of all is ${best.name} with ${joules(best.energy_J["total"]!)}.`}
      </span>
    </p>
  );
}
