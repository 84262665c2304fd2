const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const shortDay = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const longDay = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });
const DAY_MS = 86_400_000;

export const clockTime = (iso: string): string => clock.format(new Date(iso));

/** The time today, the date before. */
export const listTime = (iso: string): string =>
  isToday(new Date(iso)) ? clockTime(iso) : shortDay.format(new Date(iso));

export function dayName(iso: string): string {
  const date = new Date(iso);
  if (isToday(date)) return "Today";
  return isToday(new Date(date.getTime() + DAY_MS)) ? "Yesterday" : longDay.format(date);
}

const isToday = (date: Date): boolean => date.toDateString() === new Date().toDateString();
