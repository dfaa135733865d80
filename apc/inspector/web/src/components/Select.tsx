interface Props<Value extends string | number | null> {
  label: string;
  /** The label is for screen readers only. */
  quiet?: boolean;
  value: Value;
  /** A value of null stands for no choice. */
  options: readonly (readonly [Value, string])[];
  onPick: (value: Value) => void;
}

/** One of many, with its label. */
export function Select<Value extends string | number | null>({ label, quiet, value, options, onPick }: Props<Value>) {
  const pick = (text: string) => {
    const picked = options.find(([option]) => written(option) === text);
    if (picked) onPick(picked[0]);
  };
  return (
    <label class="picker">
      <span class={quiet ? "hidden" : undefined}>{label}</span>
      <select value={written(value)} onChange={(event) => pick(event.currentTarget.value)}>
        {options.map(([option, text]) => (
          <option key={option} value={written(option)}>
            {text}
          </option>
        ))}
      </select>
    </label>
  );
}

function written(value: string | number | null): string {
  return String(value ?? "");
}
