/**
 * What the frontend of contract `direct` does (direct.md, sections 3-6), without its pictures on the screen.
 * Knows neither Node nor the browser: it is given axios and a way to open its socket, and runs in both.
 */
import type { AxiosInstance } from "axios";
import type { Socket } from "socket.io-client";

export interface User {
  _id: string;
  email: string;
  fullName: string;
  profilePic: string;
  createdAt?: string;
  updatedAt?: string;
}

export interface Message {
  _id: string;
  senderId: string;
  receiverId: string;
  text?: string | null;
  image?: string | null;
  createdAt: string;
  updatedAt: string;
  timestamp?: number;
}

/** `io(address, {query: {userId}})`, or for Chatify `io(address, {withCredentials: true})`: query undefined. */
export type OpenSocket = (query: { userId: string } | undefined) => Socket;

export class DirectFrontend {
  authUser: User | null = null;
  users: User[] = [];
  selectedUser: User | null = null;
  messages: Message[] = [];
  onlineUsers: string[] = [];
  socket: Socket | null = null;
  /** What the user was told, oldest first. */
  toasts: string[] = [];
  /** Called when something shown has changed. */
  onChange: () => void = () => {};

  constructor(
    private readonly http: AxiosInstance,
    private readonly openSocket: OpenSocket,
    private readonly variant: "original" | "chatify" = "original",
  ) {}

  /** At page load. Any failure means: logged out, nothing shown. */
  async checkAuth(): Promise<void> {
    try {
      const answer = await this.http.get<User>("/auth/check");
      this.authUser = answer.data;
      this.connectSocket();
    } catch {
      this.authUser = null;
    }
    this.onChange();
  }

  async signup(form: { fullName: string; email: string; password: string }): Promise<void> {
    await this.telling(async () => {
      const answer = await this.http.post<User>("/auth/signup", form);
      this.authUser = answer.data;
      this.connectSocket();
    });
  }

  async login(form: { email: string; password: string }): Promise<void> {
    await this.telling(async () => {
      const answer = await this.http.post<User>("/auth/login", form);
      this.authUser = answer.data;
      this.connectSocket();
    });
  }

  async logout(): Promise<void> {
    await this.telling(async () => {
      await this.http.post("/auth/logout");
      this.authUser = null;
      if (this.socket?.connected) this.socket.disconnect();
    });
  }

  async updateProfile(profilePic: string): Promise<void> {
    await this.telling(async () => {
      const answer = await this.http.put<User>("/auth/update-profile", { profilePic });
      this.authUser = answer.data;
    });
  }

  async getUsers(): Promise<void> {
    const list = this.variant === "chatify" ? "/messages/contacts" : "/messages/users";
    await this.telling(async () => {
      this.users = (await this.http.get<User[]>(list)).data;
    });
  }

  /** Selecting a user: the history is read and the listener for messages moves to this conversation. */
  async openConversation(user: User): Promise<void> {
    this.socket?.off("newMessage");
    this.selectedUser = user;
    this.socket?.on("newMessage", (message: Message) => {
      if (message.senderId !== this.selectedUser?._id) return;
      this.messages = [...this.messages, message];
      this.onChange();
    });
    await this.telling(async () => {
      this.messages = (await this.http.get<Message[]>(`/messages/${user._id}`)).data;
    });
  }

  /** Never called with both empty. The list becomes "list at the time of sending + answer". */
  async sendMessage({ text, image }: { text: string; image: string | null }): Promise<void> {
    const before = this.messages;
    await this.telling(async () => {
      const answer = await this.http.post<Message>(`/messages/send/${this.selectedUser?._id}`, {
        text: text.trim(),
        image,
      });
      this.messages = [...before, answer.data];
    });
  }

  connectSocket(): void {
    if (!this.authUser || this.socket?.connected) return;
    this.socket = this.openSocket(this.variant === "chatify" ? undefined : { userId: this.authUser._id });
    this.socket.on("getOnlineUsers", (userIds: string[]) => {
      this.onlineUsers = userIds;
      this.onChange();
    });
  }

  /** Errors are read without guards, as the frontend does: an answer without `message` breaks here too. */
  private async telling(action: () => Promise<void>): Promise<void> {
    try {
      await action();
    } catch (error) {
      const failed = error as { response?: { data: { message: unknown } }; message: string };
      if (!failed.response)
        throw new Error(`no answer the page may read: ${failed.message}`, { cause: error });
      const text = failed.response.data.message;
      if (typeof text !== "string" || !text)
        throw new Error("the user sees an empty toast", { cause: error });
      this.toasts.push(text);
    }
    this.onChange();
  }
}
