import { joules } from "../model/format";
import { type Energy } from "../payload";
import { partColour, ShareBar } from "./pieces";

/** An energy by its components. */
export function EnergyBar({ label, energy_J, components }: { label: string; energy_J: Energy; components: string[] }) {
  const parts = components.map((name) => ({
    name,
    value: energy_J[name] ?? 0,
    text: joules(energy_J[name] ?? 0),
    colour: partColour(name),
  }));
  return <ShareBar label={label} parts={parts} />;
}
