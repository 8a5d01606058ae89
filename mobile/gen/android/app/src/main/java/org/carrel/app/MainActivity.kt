package org.carrel.app

import android.content.Context
import android.content.RestrictionsManager
import android.os.Bundle
import android.system.Os
import androidx.activity.enableEdgeToEdge
import java.io.File
import org.json.JSONArray
import org.json.JSONObject

class MainActivity : TauriActivity() {
  override fun onCreate(savedInstanceState: Bundle?) {
    provideManagedConfiguration()
    enableEdgeToEdge()
    super.onCreate(savedInstanceState)
  }

  /**
   * Writes the managed configuration of this device as a JSON object of policy keys. The app reads the file whose path
   * is in CARREL_MANAGED_CONFIGURATION when it starts.
   */
  private fun provideManagedConfiguration() {
    val manager = getSystemService(Context.RESTRICTIONS_SERVICE) as RestrictionsManager
    val file = File(filesDir, "managed-configuration.json")
    val json = JSONObject()
    val restrictions = manager.applicationRestrictions
    for (key in restrictions.keySet()) {
      @Suppress("DEPRECATION")
      when (val value = restrictions.get(key)) {
        is Array<*> -> json.put(key, JSONArray(value))
        is String, is Boolean, is Int -> json.put(key, value)
      }
    }
    file.writeText(json.toString())
    Os.setenv("CARREL_MANAGED_CONFIGURATION", file.path, true)
  }
}
