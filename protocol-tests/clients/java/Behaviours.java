import io.socket.client.Ack;
import io.socket.client.IO;
import io.socket.client.Manager;
import io.socket.client.Socket;
import io.socket.engineio.client.Transport;
import java.net.URI;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.json.JSONArray;
import org.json.JSONException;
import org.json.JSONObject;

/** Shows every behaviour of behaviours.ts with socket.io-client-java; a JSON line for each. */
public class Behaviours {
  static final int PATIENCE_S = 10;
  static final byte[] FIRST = {0, 1, 2, (byte) 254, (byte) 255};
  static final byte[] SECOND = new byte[3000];
  static final Map<String, String[]> TRANSPORTS =
      Map.of("polling", new String[] {"polling"}, "websocket", new String[] {"websocket"}, "upgrade",
          new String[] {"polling", "websocket"});

  static String origin;
  static String relay;

  interface Behaviour {
    void show(String mode) throws Exception;
  }

  public static void main(String[] args) throws Exception {
    origin = args[0];
    relay = args[1];
    Arrays.fill(SECOND, (byte) 7);
    for (String mode : List.of("polling", "websocket", "upgrade")) {
      show(mode, "connects by this transport", Behaviours::connects);
      show(mode, "gets back arguments of every JSON type", m -> isSentBack(m, json()));
      show(mode, "gets back binary", m -> isSentBack(m, binary()));
      show(mode, "gets acknowledgements with arguments of every JSON type", m -> isAcknowledged(m, json()));
      show(mode, "gets acknowledgements with binary", m -> isAcknowledged(m, binary()));
      show(mode, "acknowledges what the server asks for",
          m -> acknowledges(m, new Object[] {1, new JSONArray(List.of(2))}, new Object[] {"answer", 5}));
      show(mode, "acknowledges with binary",
          m -> acknowledges(m, new Object[] {FIRST, new JSONObject().put("b", SECOND)}, binary()));
      show(mode, "gets 200 acknowledgements and 200 events in the order it sent", Behaviours::keepsOrder);
      show(mode, "sends and receives 500 kB at once", m -> isAcknowledged(m, new Object[] {"x".repeat(500_000)}));
      show(mode, "joins a custom namespace beside the main one", Behaviours::joinsCustom);
      show(mode, "is refused an unknown namespace", Behaviours::isRefused);
      show(mode, "hands over an auth payload", Behaviours::handsOverAuth);
      show(mode, "stays connected through several heartbeats", Behaviours::staysConnected);
      show(mode, "leaves and comes back", Behaviours::comesBack);
      show(mode, "reconnects after its connection was cut", Behaviours::reconnects);
    }
    // The HTTP client's pools would keep the process for a minute.
    System.exit(0);
  }

  static void show(String mode, String name, Behaviour behaviour) {
    Object error = JSONObject.NULL;
    try {
      behaviour.show(mode);
    } catch (Throwable thrown) {
      StackTraceElement[] trace = thrown.getStackTrace();
      error = thrown + " at " + Arrays.asList(trace).subList(0, Math.min(4, trace.length));
    }
    say(new JSONObject(Map.of("test", mode + ": " + name, "error", error)));
  }

  static void say(JSONObject line) {
    System.out.println(line);
    System.out.flush();
  }

  /** A connection whose events wait in queues until a behaviour asks for them. */
  static class Client implements AutoCloseable {
    final Socket socket;

    Client(String mode, String url, Map<String, String> auth) throws Exception {
      this(IO.socket(URI.create(url), options(mode, auth)));
    }

    Client(Socket socket) {
      this.socket = socket;
    }

    static Client open(String mode) throws Exception {
      return open(mode, origin, null);
    }

    static Client open(String mode, String url, Map<String, String> auth) throws Exception {
      Client client = new Client(mode, url, auth);
      client.connect();
      return client;
    }

    void connect() throws Exception {
      BlockingQueue<Object[]> connected = queue(Socket.EVENT_CONNECT);
      socket.connect();
      take(connected, "connect");
    }

    BlockingQueue<Object[]> queue(String event) {
      BlockingQueue<Object[]> arrived = new LinkedBlockingQueue<>();
      socket.on(event, arrived::add);
      return arrived;
    }

    Object[] ask(Object... args) throws Exception {
      BlockingQueue<Object[]> answer = new LinkedBlockingQueue<>();
      socket.emit("message-with-ack", args, (Ack) answer::add);
      return take(answer, "acknowledgement");
    }

    String transport() throws Exception {
      // The library tells of transports only as they come; the engine below it is not public.
      var manager = socket.io();
      var engineField = Manager.class.getDeclaredField("engine");
      engineField.setAccessible(true);
      Object engine = engineField.get(manager);
      var field = io.socket.engineio.client.Socket.class.getDeclaredField("transport");
      field.setAccessible(true);
      return ((Transport) field.get(engine)).name;
    }

    /** The transport is the one asked for, after the upgrade if there is one. */
    void settle(String mode) throws Exception {
      String wanted = mode.equals("polling") ? "polling" : "websocket";
      long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(PATIENCE_S);
      while (!transport().equals(wanted) && System.nanoTime() < deadline) Thread.sleep(5);
      equal(transport(), wanted);
    }

    @Override
    public void close() {
      socket.disconnect();
    }
  }

  static IO.Options options(String mode, Map<String, String> auth) {
    return IO.Options.builder().setForceNew(true).setTransports(TRANSPORTS.get(mode)).setReconnectionDelay(20)
        .setReconnectionDelayMax(20).setRandomizationFactor(0).setAuth(auth).build();
  }

  static void connects(String mode) throws Exception {
    try (Client client = Client.open(mode)) {
      client.settle(mode);
    }
  }

  static void isSentBack(String mode, Object[] args) throws Exception {
    try (Client client = Client.open(mode)) {
      BlockingQueue<Object[]> back = client.queue("message-back");
      client.socket.emit("message", args);
      equal(take(back, "message-back"), args);
    }
  }

  static void isAcknowledged(String mode, Object[] args) throws Exception {
    try (Client client = Client.open(mode)) {
      equal(client.ask(args), args);
    }
  }

  static void acknowledges(String mode, Object[] asked, Object[] answer) throws Exception {
    try (Client client = Client.open(mode)) {
      BlockingQueue<Object[]> questions = new LinkedBlockingQueue<>();
      client.socket.on("emit-with-ack", args -> {
        questions.add(Arrays.copyOf(args, args.length - 1));
        ((Ack) args[args.length - 1]).call(answer);
      });
      BlockingQueue<Object[]> back = client.queue("emit-with-ack-back");
      client.socket.emit("emit-with-ack", asked);
      equal(take(questions, "question"), asked);
      equal(take(back, "emit-with-ack-back"), answer);
    }
  }

  static void keepsOrder(String mode) throws Exception {
    try (Client client = Client.open(mode)) {
      BlockingQueue<Object[]> events = client.queue("message-back");
      BlockingQueue<Object[]> acks = new LinkedBlockingQueue<>();
      for (int n = 0; n < 200; n++) {
        client.socket.emit("message", n);
        client.socket.emit("message-with-ack", new Object[] {n}, (Ack) acks::add);
      }
      for (int n = 0; n < 200; n++) {
        equal(take(events, "event"), new Object[] {n});
        equal(take(acks, "acknowledgement"), new Object[] {n});
      }
      client.settle(mode);
    }
  }

  static void joinsCustom(String mode) throws Exception {
    try (Client main = Client.open(mode); Client custom = new Client(main.socket.io().socket("/custom"))) {
      custom.connect();
      equal(custom.ask("custom"), new Object[] {"custom"});
      equal(main.ask("main"), new Object[] {"main"});
    }
  }

  static void isRefused(String mode) throws Exception {
    try (Client client = new Client(mode, origin + "/unknown", null)) {
      BlockingQueue<Object[]> refusals = client.queue(Socket.EVENT_CONNECT_ERROR);
      client.socket.connect();
      equal(((JSONObject) take(refusals, "connect_error")[0]).getString("message"), "Invalid namespace");
    }
  }

  static void handsOverAuth(String mode) throws Exception {
    Map<String, String> auth = Map.of("token", "abc", "device", "€");
    try (Client client = new Client(mode, origin, auth)) {
      BlockingQueue<Object[]> greeting = client.queue("auth");
      client.connect();
      equal(take(greeting, "auth"), new Object[] {new JSONObject(auth)});
    }
  }

  static void staysConnected(String mode) throws Exception {
    try (Client client = Client.open(mode)) {
      BlockingQueue<Object[]> ends = client.queue(Socket.EVENT_DISCONNECT);
      Thread.sleep(1500); // three times pingInterval + pingTimeout
      equal(client.ask("alive"), new Object[] {"alive"});
      equal(ends.size(), 0);
    }
  }

  static void comesBack(String mode) throws Exception {
    try (Client client = Client.open(mode)) {
      client.socket.disconnect();
      client.connect();
      equal(client.ask("back"), new Object[] {"back"});
    }
  }

  static void reconnects(String mode) throws Exception {
    try (Client client = Client.open(mode, relay, null)) {
      client.settle(mode);
      BlockingQueue<Object[]> ends = client.queue(Socket.EVENT_DISCONNECT);
      BlockingQueue<Object[]> connects = client.queue(Socket.EVENT_CONNECT);
      say(new JSONObject(Map.of("relay", "cut")));
      take(ends, "disconnect");
      say(new JSONObject(Map.of("relay", "restore")));
      take(connects, "connect");
      equal(client.ask("again"), new Object[] {"again"});
    }
  }

  static Object[] json() throws JSONException {
    JSONObject nested = new JSONObject("{\"a\":[{\"b\":[1,[null]]}]}");
    return new Object[] {JSONObject.NULL, true, false, 0, -1.5, 9007199254740991L, "", "ü € 😀", new JSONArray(),
        new JSONObject(), nested};
  }

  static Object[] binary() throws JSONException {
    return new Object[] {FIRST, new JSONObject().put("file", SECOND)};
  }

  static Object[] take(BlockingQueue<Object[]> queue, String what) throws InterruptedException {
    Object[] arrived = queue.poll(PATIENCE_S, TimeUnit.SECONDS);
    if (arrived == null) throw new AssertionError("no " + what + " in " + PATIENCE_S + " s");
    return arrived;
  }

  static void equal(Object actual, Object expected) throws JSONException {
    String got = canonical(actual);
    String wanted = canonical(expected);
    if (!got.equals(wanted)) throw new AssertionError("got " + got + ", not " + wanted);
  }

  /** One way to write each value, whatever class holds it. */
  static String canonical(Object value) throws JSONException {
    if (value instanceof byte[]) return "bytes" + Arrays.toString((byte[]) value);
    if (value instanceof Object[]) return list(Arrays.asList((Object[]) value));
    if (value instanceof JSONArray) {
      List<Object> items = new ArrayList<>();
      for (int at = 0; at < ((JSONArray) value).length(); at++) items.add(((JSONArray) value).get(at));
      return list(items);
    }
    if (value instanceof JSONObject) {
      List<String> keys = new ArrayList<>();
      ((JSONObject) value).keys().forEachRemaining(key -> keys.add((String) key));
      keys.sort(null);
      StringBuilder text = new StringBuilder("{");
      for (String key : keys) text.append(key).append(':').append(canonical(((JSONObject) value).get(key))).append(',');
      return text.append('}').toString();
    }
    return value instanceof String ? '"' + (String) value + '"' : Objects.toString(value);
  }

  static String list(List<?> items) throws JSONException {
    StringBuilder text = new StringBuilder("[");
    for (Object item : items) text.append(canonical(item)).append(',');
    return text.append(']').toString();
  }
}
