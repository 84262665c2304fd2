import { type FormEvent, type KeyboardEvent, useState } from "react";
import { Logo } from "./Icon.tsx";
import { isConfirmingEnter } from "./keys.ts";
import { useChat, useChatState } from "./useChat.ts";

const PASSWORD_LEN_MIN = 6;

export function SignIn() {
  const chat = useChat();
  const { notice } = useChatState();
  const [isNew, setIsNew] = useState(false);
  const [isBusy, setIsBusy] = useState(false);

  async function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const field = (name: string) => String(form.get(name) ?? "");
    const login = { email: field("email").trim(), password: field("password") };
    chat.say(null);
    setIsBusy(true);
    await (isNew ? chat.signUp({ fullName: field("fullName").trim(), ...login }) : chat.logIn(login));
    setIsBusy(false);
  }

  // A browser sends a form on Enter by itself.
  function onKeyDown(event: KeyboardEvent) {
    if (isConfirmingEnter(event.nativeEvent)) event.preventDefault();
  }

  function turn() {
    chat.say(null);
    setIsNew(!isNew);
  }

  return (
    <main className="sign-in">
      <form className="card" onSubmit={submit} onKeyDown={onKeyDown}>
        <Logo />
        <h1>{isNew ? "Create your account" : "Welcome back"}</h1>
        <p className="muted">{isNew ? "A name, an email, and you are in." : "Log in to Sockeye."}</p>
        {isNew && (
          <label>
            Full name
            <input
              name="fullName"
              dir="auto"
              autoComplete="name"
              required
              maxLength={80}
              placeholder="Ana Rivera"
            />
          </label>
        )}
        <label>
          Email
          <input
            name="email"
            type="email"
            dir="auto"
            autoComplete="email"
            required
            placeholder="ana@example.com"
          />
        </label>
        <label>
          Password
          <input
            name="password"
            type="password"
            autoComplete={isNew ? "new-password" : "current-password"}
            required
            minLength={isNew ? PASSWORD_LEN_MIN : undefined}
            placeholder={isNew ? "At least 6 characters" : "Your password"}
          />
        </label>
        <p className="form-error" role="alert">
          {notice}
        </p>
        <button type="submit" className="primary" disabled={isBusy}>
          {isNew ? "Sign up" : "Log in"}
        </button>
        <p className="muted">
          {isNew ? "Already have an account?" : "New here?"}{" "}
          <button type="button" className="as-link" onClick={turn}>
            {isNew ? "Log in instead" : "Create an account"}
          </button>
        </p>
      </form>
    </main>
  );
}
